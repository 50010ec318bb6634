// Package differential compares attest.Judge with other verifiers of quotes, on real
// quotes and on development ones with one flaw each. It is a module of its own, so that
// what those verifiers depend on stays out of ours. Every disagreement is explained in
// the tests, and a disagreement that went away is an error too.
package differential
