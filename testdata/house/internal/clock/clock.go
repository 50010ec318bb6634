// Package clock knows the domain and asks the system.
package clock

import (
	_ "os"
	"time"

	_ "assay/schema"
)

// Wait loses time.
func Wait() { time.Sleep(time.Second) }
