//go:build !enclave

package chdb

import (
	"fmt"

	"github.com/ebitengine/purego"
)

// bindAll loads the library at path and points each function at the symbol of its name.
func bindAll(path string, functions map[string]any) error {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return fmt.Errorf("loading %s: %w", path, err)
	}
	for name, function := range functions {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return fmt.Errorf("%s is not the libchdb this program knows (26.7.3): %w", path, err)
		}
		purego.RegisterFunc(function, symbol)
	}
	return nil
}
