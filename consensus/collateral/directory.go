package collateral

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"assay/consensus/attest"
)

// ErrNoSet says that a directory has no collateral for a key.
var ErrNoSet = errors.New("no collateral for these platforms")

// Find returns the newest set for a key among the *.json files of a directory. Files that
// do not load under the root are passed over, and are why if no file is left.
func Find(directory fs.FS, key attest.Key, root *x509.Certificate) ([]byte, error) {
	names, err := fs.Glob(directory, "*.json")
	if err != nil {
		return nil, err
	}
	var best []byte
	var newest *attest.Collateral
	var unfit []error
	for _, name := range names {
		raw, err := readFile(directory, name)
		if err != nil {
			return nil, err
		}
		set, err := attest.Load(raw, root)
		if err != nil {
			unfit = append(unfit, fmt.Errorf("%s: %w", path.Base(name), err))
			continue
		}
		if set.Key() == key && (newest == nil || set.Succeeds(newest) == nil) {
			best, newest = raw, set
		}
	}
	if newest == nil {
		return nil, errors.Join(append([]error{ErrNoSet}, unfit...)...)
	}
	return best, nil
}

func readFile(directory fs.FS, name string) ([]byte, error) {
	file, err := directory.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	return io.ReadAll(io.LimitReader(file, attest.MaxCollateralSize+1))
}
