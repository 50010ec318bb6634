package attest

import (
	"errors"
	"fmt"
)

// Class says which kind of check refused a quote.
type Class string

// The classes, in the order in which quotes are checked.
const (
	ClassFormat    Class = "format"    // not a quote of a kind we read
	ClassChain     Class = "chain"     // certificates do not lead from the trusted root to a PCK
	ClassExpired   Class = "expired"   // a certificate is not valid at the instant
	ClassSignature Class = "signature" // a signature, or the hash that carries one on, does not hold
	ClassIdentity  Class = "identity"  // not an enclave that may be believed
	ClassBinding   Class = "binding"   // report data names another contribution
)

// Error is why a quote was refused.
type Error struct {
	Class  Class
	Detail string // for a person
}

func (e *Error) Error() string { return fmt.Sprintf("quote refused (%s): %s", e.Class, e.Detail) }

// ClassOf returns the class of a refusal; empty where err is none.
func ClassOf(err error) Class {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Class
	}
	return ""
}

func refuse(class Class, format string, args ...any) *Error {
	return &Error{Class: class, Detail: fmt.Sprintf(format, args...)}
}
