// Package bindings is generated: the functions, events and errors of the PoCo
// contracts in Go, from the ABIs of the npm package @iexec/poco 6.1.0, without
// bytecode. Hub is the PoCo contract with all its facets, in token mode;
// NativeEscrow is what differs where RLC is the chain's own coin.
package bindings

//go:generate go run assay/internal/tools/bindgen ../../node_modules .
