// Package attest decides whether a quote proves that an enclave said something. Judge is
// a pure function of the quote's bytes, a collateral set and the root it was checked
// under, a policy, an instant and the report data that is expected: no network, no clock,
// no roots of its own. The same quote gets the same verdict on every machine, for ever.
//
// What a quote proves is a chain of signatures: a root certifies a platform CA, the
// platform CA a machine (its PCK certificate), the machine's PCK key vouches for its
// quoting enclave's report, that report for the attestation key (by its hash), and the
// attestation key signs header and report of the quote. The report names the enclave
// (MRENCLAVE; MRTD of a TD, a whole virtual machine) and the 64 bytes that it had quoted.
//
// Collateral is what Intel says about the platform at the time: which certificates are
// revoked, what the quoting enclave is, how current the firmware must be (its TCB level).
// Load checks all its signatures, once. A Policy says what is good enough.
//
// The order to read in: checklist in judge.go is the whole procedure, one line and one
// function per check; parse.go and body.go take quotes apart; chain.go and platform.go
// are about certificates; collateral.go and tcb.go about collateral; policy.go and
// fingerprint.go about what is wanted; verdict.go is what comes out. Platforms remembers
// machines that were verified, never verdicts.
package attest
