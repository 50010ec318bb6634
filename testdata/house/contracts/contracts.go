// Package contracts may talk to a chain.
package contracts

import (
	_ "net/http"

	_ "assay/internal/clock"
	_ "assay/schema"
)
