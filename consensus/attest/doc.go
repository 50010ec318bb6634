// Package attest decides whether a quote proves that an enclave said something. It is
// a pure function of bytes, a trusted root and an instant: no network, no clock, no
// roots of its own. The same quote gets the same verdict on every machine, for ever.
//
// What a quote proves is a chain of signatures: a root certifies a platform CA, the
// platform CA a machine (its PCK certificate), the machine's PCK key vouches for its
// quoting enclave's report, that report for the attestation key (by its hash), and the
// attestation key signs header and report body of the quote. The body names the
// enclave (MRENCLAVE) and the 64 bytes that it had quoted.
//
// Parse takes a quote apart without believing it; Verify walks the chain and compares
// all 64 bytes with contracts.Binding's. How current the machine's firmware is (TCB)
// and what was revoked is not judged yet, so a Report's TCBStatus is always Unknown,
// never the zero value, which in ego's vocabulary reads as up to date.
package attest
