// Package secondopinion asks another verifier, ego's, about every quote that we judged,
// and raises an alarm where the two disagree. It never votes: ego's verifier fetches
// collateral over the network and looks at its own clock, so what it says differs from
// machine to machine and from day to day, and no verdict may rest on it. What it finds is
// a mistake in one of the two, or collateral of ours that is no longer Intel's.
//
// Compare is the pure part: which differences are disagreements. Watcher follows the
// decisions log and asks. Ego is the other verifier; it is there in programs that were
// built with the tag ego, against Open Enclave's library (see docs/attestation.md).
package secondopinion
