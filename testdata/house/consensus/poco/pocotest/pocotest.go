// Package pocotest helps tests, and may do I/O for them.
package pocotest

import _ "os"
