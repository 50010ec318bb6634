// Package attest imports a shell and runs beside itself.
package attest

import _ "assay/consensus/engine"

// Run does two things at once.
func Run() {
	go func() {}()
}
