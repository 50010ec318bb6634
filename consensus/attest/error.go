package attest

import (
	"errors"
	"fmt"

	"github.com/edgelesssys/ego/attestation"
)

// Class says which kind of check refused a quote.
type Class string

// The classes of refusals.
const (
	ClassFormat     Class = "format"     // not a quote of a kind we read
	ClassChain      Class = "chain"      // certificates do not lead from the trusted root to a PCK
	ClassSignature  Class = "signature"  // a signature, or the hash that carries one on, does not hold
	ClassExpired    Class = "expired"    // a certificate or a piece of collateral is not valid at the instant
	ClassRevoked    Class = "revoked"    // a certificate is on a revocation list
	ClassCollateral Class = "collateral" // the collateral is not sound, or is another platform's
	ClassQE         Class = "qe"         // not the quoting enclave that the collateral describes
	ClassTCB        Class = "tcb"        // the platform's firmware is not current enough
	ClassIdentity   Class = "identity"   // not an enclave that may be believed, or another one than expected
	ClassBinding    Class = "binding"    // report data names another contribution
	ClassPolicy     Class = "policy"     // refused by a rule of the policy alone
)

// Error is why a quote was refused.
type Error struct {
	Class  Class
	Check  string // the name of the check that refused it, see Checklist
	Detail string // for a person
}

func (e *Error) Error() string {
	if e.Check == "" {
		return fmt.Sprintf("quote refused (%s): %s", e.Class, e.Detail)
	}
	return fmt.Sprintf("quote refused (%s, %s): %s", e.Class, e.Check, e.Detail)
}

// Unwrap makes a refusal for the platform's status ego's error for it.
func (e *Error) Unwrap() error {
	if e.Class == ClassTCB {
		return attestation.ErrTCBLevelInvalid
	}
	return nil
}

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
