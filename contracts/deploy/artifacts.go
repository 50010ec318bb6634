package deploy

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
)

// Version of @iexec/poco that the plan knows how to deploy.
const Version = "6.1.0"

// ErrPackage says that the npm package is missing, or another version of it is there.
var ErrPackage = errors.New("@iexec/poco " + Version + " is not installed: run `make deps`")

// packageDir is the folder of @iexec/poco.
type packageDir string

// openPackage finds the package in a node_modules folder.
func openPackage(modules string) (packageDir, error) {
	dir := packageDir(filepath.Join(modules, "@iexec", "poco"))
	var manifest struct{ Version string }
	if err := dir.read("package.json", &manifest); err != nil {
		return "", fmt.Errorf("%w (%w)", ErrPackage, err)
	}
	if manifest.Version != Version {
		return "", fmt.Errorf("%w (found %s)", ErrPackage, manifest.Version)
	}
	return dir, nil
}

// artifact is a compiled contract, in Hardhat's format or that of hardhat-deploy,
// where links and constructor arguments are already in the bytecode.
type artifact struct {
	ABI            json.RawMessage
	Bytecode       string
	LinkReferences map[string]map[string][]struct{ Start, Length int }
}

func (d packageDir) read(path string, into any) error {
	data, err := os.ReadFile(filepath.Join(string(d), filepath.FromSlash(path)))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("reading %s of @iexec/poco: %w", path, err)
	}
	return nil
}

// artifact reads a contract's artifact; a file that is missing means that the package
// is not whole.
func (d packageDir) artifact(path string) (artifact, error) {
	var a artifact
	err := d.read(path, &a)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w (%w)", ErrPackage, err)
	}
	return a, err
}

// code is the init code with its libraries linked to library.
func (a artifact) code(library common.Address) ([]byte, error) {
	text := []byte(strings.TrimPrefix(a.Bytecode, "0x"))
	for _, libraries := range a.LinkReferences {
		for _, places := range libraries {
			for _, place := range places {
				if place.Start < 0 || place.Length != common.AddressLength || 2*(place.Start+place.Length) > len(text) {
					return nil, fmt.Errorf("link reference at %d is outside the bytecode", place.Start)
				}
				hex.Encode(text[2*place.Start:], library[:])
			}
		}
	}
	code := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(code, text); err != nil {
		return nil, fmt.Errorf("reading bytecode: %w", err)
	}
	return code, nil
}

func (a artifact) abi() (abi.ABI, error) {
	return abi.JSON(strings.NewReader(string(a.ABI)))
}
