package attest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"assay/consensus/attest"
)

// The checklist in docs/attestation.md is the one that is made, and the tests that it
// names exist.
func TestDocumentListsEveryCheck(t *testing.T) {
	text := string(must(os.ReadFile("../../docs/attestation.md")))
	last := 0
	for _, check := range attest.Checklist() {
		at := strings.Index(text, fmt.Sprintf("\n| %d | `%s` |", check.Item, check.Name))
		if at < last {
			t.Errorf("item %d, %s, is not in the table, or not in its place", check.Item, check.Name)
		}
		last = at
	}
	var tests strings.Builder
	for _, folder := range []string{".", "../engine"} {
		for _, name := range must(filepath.Glob(filepath.Join(folder, "*_test.go"))) {
			tests.Write(must(os.ReadFile(name)))
		}
	}
	for _, name := range regexp.MustCompile(`(?:Test|Fuzz)[A-Z]\w+`).FindAllString(text, -1) {
		if !strings.Contains(tests.String(), "func "+name+"(") {
			t.Errorf("the document names %s, and there is no such test", name)
		}
	}
}
