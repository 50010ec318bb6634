package attest

import "fmt"

// Class says which kind of check refused a quote.
type Class string

// The classes, in the order in which quotes are checked.
const (
	Format    Class = "format"    // not a quote of a kind we read
	Chain     Class = "chain"     // certificates do not lead from the trusted root to a PCK
	Expired   Class = "expired"   // a certificate is not valid at the instant
	Signature Class = "signature" // a signature or the hash that carries it on does not hold
	Identity  Class = "identity"  // not an enclave that may be believed
	Binding   Class = "binding"   // report data names another contribution
)

// Error is why a quote was refused.
type Error struct {
	Class  Class
	Detail string // for a person
}

func (e *Error) Error() string { return fmt.Sprintf("quote refused (%s): %s", e.Class, e.Detail) }

func refuse(class Class, format string, args ...any) *Error {
	return &Error{Class: class, Detail: fmt.Sprintf(format, args...)}
}
