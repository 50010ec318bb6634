package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var modules = filepath.Join("..", "..", "..", "node_modules")

func needPackage(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(modules, filepath.FromSlash(poco), "package.json")); err != nil {
		t.Skip("@iexec/poco is not installed: run `make deps`")
	}
}

// What is in the repository is what the package's ABIs give, and holds no bytecode.
func TestBindingsAreUpToDate(t *testing.T) {
	needPackage(t)
	out := t.TempDir()
	if err := run(filepath.Join(modules, filepath.FromSlash(poco)), out); err != nil {
		t.Fatal(err)
	}
	for _, contract := range contracts {
		name := strings.ToLower(contract.name) + ".go"
		want, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "..", "..", "contracts", "bindings", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("contracts/bindings/%s is out of date: go run ./internal/tools/bindgen node_modules contracts/bindings", name)
		}
		if strings.Contains(string(got), "Bin:") {
			t.Errorf("contracts/bindings/%s holds bytecode", name)
		}
	}
}

func TestMissingFunctionIsAnError(t *testing.T) {
	needPackage(t)
	c := contract{name: "App", sources: []string{"registries/apps/App.sol/App.json"}, functions: []string{"noSuch"}}
	if _, err := c.generate(filepath.Join(modules, filepath.FromSlash(poco))); err == nil || !strings.Contains(err.Error(), "noSuch") {
		t.Errorf("%v; want an error about noSuch", err)
	}
}

func TestOtherVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := checkVersion(dir); err == nil || !strings.Contains(err.Error(), "make deps") {
		t.Errorf("no package: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"version":"6.2.0"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := checkVersion(dir); err == nil || !strings.Contains(err.Error(), "6.2.0") {
		t.Errorf("version 6.2.0: %v", err)
	}
}
