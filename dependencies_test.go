package assay

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// required are the modules that Assay promises to be built on, at the versions whose
// behaviour was measured.
var required = map[string]string{
	"github.com/ethereum/go-ethereum":        "v1.17.10",
	"github.com/ClickHouse/clickhouse-go/v2": "v2.50.0",
	"github.com/segmentio/kafka-go":          "v0.4.51",
	"github.com/99designs/gqlgen":            "v0.17.81",
	"github.com/edgelesssys/ego":             "v1.9.0",
}

func TestRequiredModulesArePinned(t *testing.T) {
	direct := directModules(t)
	for path, version := range required {
		if direct[path] != version {
			t.Errorf("go.mod requires %s %q, want %s", path, direct[path], version)
		}
	}
}

// Linked into the program, that is, not merely imported by a test or a tool.
func TestRequiredModulesAreLinkedIn(t *testing.T) {
	house := readHouse(t, ".")
	program := reachable(house, module+"/cmd/assay")
	if len(program) == 0 {
		t.Skip("there is no cmd/assay yet")
	}
	for path := range required {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(program)), func(p string) bool { return importsModule(house[p].imports[""], path) }) {
			t.Errorf("cmd/assay is built without %s", path)
		}
	}
}

func TestEveryDependencyIsUsed(t *testing.T) {
	house := readHouse(t, ".")
	var imports []string
	for _, p := range house {
		for _, some := range p.imports {
			imports = append(imports, some...)
		}
	}
	for path := range directModules(t) {
		if !importsModule(imports, path) {
			t.Errorf("go.mod requires %s, and nothing imports it", path)
		}
	}
}

// A table row of docs/dependencies.md begins with what it explains, in code style.
var explained = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

func TestEveryDependencyIsExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range explained.FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = true
	}
	needed := append(slices.Collect(maps.Keys(directModules(t))), npmPackages(t)...)
	for _, name := range needed {
		if !documented[name] {
			t.Errorf("docs/dependencies.md has no line for %s: say what it is for and why it was chosen", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("docs/dependencies.md explains %s, which is no direct dependency", name)
	}
}

func importsModule(imports []string, path string) bool {
	return slices.ContainsFunc(imports, func(imported string) bool { return within(imported, path) })
}

// directModules returns the versions that go.mod asks for without "// indirect".
func directModules(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	file, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	direct := map[string]string{}
	for _, require := range file.Require {
		if !require.Indirect {
			direct[require.Mod.Path] = require.Mod.Version
		}
	}
	return direct
}

// The lock file pins what is downloaded by hash and names no place to download it from:
// that is the user's own configuration.
func TestNpmPackagesArePinnedByHash(t *testing.T) {
	var lock struct {
		Packages map[string]struct {
			Version, Resolved, Integrity string
		}
	}
	readJSON(t, "package-lock.json", &lock)
	for name, p := range lock.Packages {
		if p.Version == "" {
			continue // this package, and the links in place of what is left out
		}
		if !strings.HasPrefix(p.Integrity, "sha512-") {
			t.Errorf("%s has no sha512 integrity", name)
		}
		if p.Resolved != "" {
			t.Errorf("%s names the address %s", name, p.Resolved)
		}
	}
}

func npmPackages(t *testing.T) []string {
	t.Helper()
	var manifest struct{ Dependencies, OptionalDependencies map[string]string }
	readJSON(t, "package.json", &manifest)
	return slices.Concat(slices.Collect(maps.Keys(manifest.Dependencies)), slices.Collect(maps.Keys(manifest.OptionalDependencies)))
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
