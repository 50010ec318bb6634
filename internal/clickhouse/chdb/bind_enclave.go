//go:build enclave

package chdb

import "errors"

// bindAll refuses: enclaves load no libraries, and a program for one is built with the tag
// enclave so that it does not name the functions that would (dlopen).
func bindAll(string, map[string]any) error {
	return errors.New("built for an enclave, which has no embedded database")
}
