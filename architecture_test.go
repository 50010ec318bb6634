// Package assay holds what must be true of the house as a whole, as tests: who may
// import whom (architecture_test.go), that every dependency is known, used and explained
// (dependencies_test.go), and that docker-compose.yml can start what cmd/assay builds
// (compose_test.go).
package assay

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "assay"

// mayImport says which rooms the packages under a folder may import besides each other.
// The longest folder that fits a package is its room.
var mayImport = map[string][]string{
	"schema":           {},
	"contracts":        {"schema", "internal"},
	"consensus":        {"schema", "contracts", "internal", "consensus/poco", "consensus/attest"},
	"consensus/poco":   {"schema", "contracts"},
	"consensus/attest": {"schema", "contracts"},
	"consensus/replay": {"schema", "contracts", "consensus/poco"},
	"indexer":          {"schema", "contracts", "consensus/poco", "internal"},
	"workers":          {"schema", "contracts", "internal"},
	"graphql":          {"schema", "internal"},
	"internal":         {},
	"internal/tools":   {"schema"},
	"docs/studies":     {"schema", "contracts", "consensus", "consensus/poco", "workers", "internal"},
	"cmd":              {"schema", "contracts", "consensus", "consensus/poco", "consensus/attest", "consensus/replay", "indexer", "workers", "graphql", "internal"},
}

// leanModules are all that schema may use from outside the standard library.
var leanModules = []string{"google.golang.org/protobuf"}

// pureRooms are folds and judges: the same input gives the same answer, on every machine
// and in every year. Neither they nor what they import from this module may do I/O.
var pureRooms = []string{"consensus/poco", "consensus/attest", "consensus/replay"}

// pureImports is everything that a pure room may import from outside this module. A
// path ending in / stands for all below it.
var pureImports = []string{
	"bufio", "bytes", "cmp", "context", "crypto", "crypto/", "embed", "encoding/", "errors", "fmt", "hash", "hash/", "io", "iter",
	"maps", "math", "math/big", "math/bits", "reflect", "regexp", "slices", "sort", "strconv", "strings", "sync", "time", "unicode",
	"unicode/", "unsafe",
	"github.com/edgelesssys/ego/attestation", "github.com/edgelesssys/ego/attestation/",
	"github.com/ethereum/go-ethereum/accounts/abi",
	"github.com/ethereum/go-ethereum/common", "github.com/ethereum/go-ethereum/common/",
	"github.com/ethereum/go-ethereum/core/types",
	"github.com/ethereum/go-ethereum/crypto", "github.com/ethereum/go-ethereum/rlp",
	"github.com/holiman/uint256",
	"google.golang.org/protobuf/",
}

// impure is what pureImports lets in by a shorter path.
var impure = []string{"crypto/rand", "crypto/tls"}

// clocks are the functions of package time that depend on when they are called.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	for _, violation := range violations(readHouse(t, ".")) {
		t.Error(violation)
	}
}

// The checker is only worth its silence if it speaks when a rule is broken: the small
// house in testdata breaks each of them.
func TestEachRuleIsEnforced(t *testing.T) {
	want := []string{
		"assay/consensus/attest may not import assay/consensus/engine",
		"assay/consensus/attest must stay pure, and starts a goroutine (consensus/attest/attest.go:8)",
		"assay/consensus/poco may not import assay/internal/clock",
		"assay/consensus/poco must stay pure, and calls time.Now (consensus/poco/poco.go:12)",
		"assay/consensus/poco must stay pure, and calls time.Sleep (internal/clock/clock.go:12) by way of assay/internal/clock",
		"assay/consensus/poco must stay pure, and imports github.com/segmentio/kafka-go by way of assay/schema",
		"assay/consensus/poco must stay pure, and imports net/http by way of assay/contracts",
		"assay/consensus/poco must stay pure, and imports os by way of assay/internal/clock",
		"assay/graphql may not import assay/consensus/poco/pocotest",
		"assay/graphql may not import assay/indexer",
		"assay/internal/clock [test] may not import assay/contracts",
		"assay/internal/clock may not import assay/schema",
		"assay/schema may not import github.com/segmentio/kafka-go",
		"assay/stray is in no room: name its folder in mayImport",
		"assay/workers [external test] may not import assay/cmd/assay",
		"assay/workers may not import assay/cmd/assay",
	}
	got := violations(readHouse(t, "testdata/house"))
	if !slices.Equal(got, want) {
		t.Errorf("found\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// pkg is one package of the module. Imports are kept by the kind of file that has them:
// the rules hold for "" (the package itself) and "test" alike, but tests may do I/O. An
// "external test" (package x_test) is linked into nothing and may wire rooms together
// as cmd does; only cmd itself is closed to it. A helper of tests counts as one.
type pkg struct {
	path    string
	imports map[string][]string // by kind of file
	clocks  []string            // calls of the clock and goroutines started, outside tests
}

func violations(house map[string]*pkg) []string {
	var found []string
	for _, path := range slices.Sorted(maps.Keys(house)) {
		p := house[path]
		if path == module {
			continue // these tests
		}
		room := roomOf(path)
		if room == "" {
			found = append(found, path+" is in no room: name its folder in mayImport")
			continue
		}
		found = append(found, forbiddenImports(p, room)...)
		if slices.Contains(pureRooms, room) {
			found = append(found, impurities(house, path)...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// roomOf returns the longest folder of mayImport that the package is in, "" for none.
func roomOf(path string) string {
	longest := ""
	for room := range mayImport {
		if within(path, module+"/"+room) && len(room) > len(longest) {
			longest = room
		}
	}
	return longest
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

func forbiddenImports(p *pkg, room string) []string {
	var found []string
	for kind, imports := range p.imports {
		for _, imported := range imports {
			if allowed(room, kind, imported) {
				continue
			}
			name := p.path
			if kind != "" {
				name += " [" + kind + "]"
			}
			found = append(found, name+" may not import "+imported)
		}
	}
	return found
}

// forTests reports whether a package is a helper of tests by its name, as net/http/httptest
// is. It may do what an external test may, and only tests may import it.
func forTests(folder string) bool {
	base := path.Base(folder)
	return strings.HasSuffix(base, "test") && base != "attest"
}

func allowed(room, kind, imported string) bool {
	if kind == "" && within(imported, module) && forTests(imported) {
		return false
	}
	if !within(imported, module) {
		return room != "schema" || kind != "" || standard(imported) || slices.ContainsFunc(leanModules, func(m string) bool { return within(imported, m) })
	}
	target := roomOf(imported)
	if target == room {
		return true
	}
	if kind == "external test" {
		return target != "cmd"
	}
	return slices.Contains(mayImport[room], target)
}

// standard reports whether a package is of the standard library: only there has the
// first element of the path no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// impurities follows a pure package's imports through the module and reports what
// reaches outside the process, the clock, or another goroutine.
func impurities(house map[string]*pkg, root string) []string {
	var found []string
	for path := range reachable(house, root) {
		way := ""
		if path != root {
			way = " by way of " + path
		}
		for _, deed := range deeds(house[path]) {
			found = append(found, root+" must stay pure, and "+deed+way)
		}
	}
	return found
}

// deeds lists what a package does that a pure one must not.
func deeds(p *pkg) []string {
	found := slices.Clone(p.clocks)
	for _, imported := range p.imports[""] {
		if !within(imported, module) && !pure(imported) {
			found = append(found, "imports "+imported)
		}
	}
	return found
}

func pure(imported string) bool {
	if slices.Contains(impure, imported) {
		return false
	}
	return slices.ContainsFunc(pureImports, func(allowed string) bool {
		return imported == allowed || strings.HasSuffix(allowed, "/") && strings.HasPrefix(imported, allowed)
	})
}

// reachable returns the packages of the module that root is built from, itself included.
func reachable(house map[string]*pkg, root string) map[string]bool {
	seen := map[string]bool{}
	var visit func(string)
	visit = func(path string) {
		if house[path] == nil || seen[path] {
			return
		}
		seen[path] = true
		for _, imported := range house[path].imports[""] {
			visit(imported)
		}
	}
	visit(root)
	return seen
}

// readHouse parses every Go file under dir, whatever its build constraints, so that no
// rule is broken on another system only.
func readHouse(t *testing.T, dir string) map[string]*pkg {
	t.Helper()
	house := map[string]*pkg{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipFolder(name, entry.Name())
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		return addFile(house, dir, name)
	})
	if err != nil {
		t.Fatalf("reading the module: %v", err)
	}
	return house
}

// skipFolder passes over what the go command passes over.
func skipFolder(name, base string) error {
	if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules") {
		return fs.SkipDir
	}
	return nil
}

func addFile(house map[string]*pkg, dir, name string) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	path := path.Join(module, path.Dir(name))
	p := house[path]
	if p == nil {
		p = &pkg{path: path, imports: map[string][]string{}}
		house[path] = p
	}
	kind := kindOf(file, name)
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if !slices.Contains(p.imports[kind], imported) {
			p.imports[kind] = append(p.imports[kind], imported)
		}
	}
	if kind == "" {
		p.clocks = append(p.clocks, clocksIn(file, func(node ast.Node) string {
			return fmt.Sprintf("(%s:%d)", name, files.Position(node.Pos()).Line)
		})...)
	}
	return nil
}

func kindOf(file *ast.File, name string) string {
	switch {
	case forTests(path.Dir(name)):
		return "external test"
	case !strings.HasSuffix(name, "_test.go"):
		return ""
	case strings.HasSuffix(file.Name.Name, "_test"):
		return "external test"
	default:
		return "test"
	}
}

// clocksIn lists what in a file depends on when or in what order it runs.
func clocksIn(file *ast.File, where func(ast.Node) string) []string {
	var found []string
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			found = append(found, "starts a goroutine "+where(node))
		case *ast.SelectorExpr:
			if of, ok := node.X.(*ast.Ident); ok && of.Name == "time" && slices.Contains(clocks, node.Sel.Name) {
				found = append(found, "calls time."+node.Sel.Name+" "+where(node))
			}
		}
		return true
	})
	return found
}
