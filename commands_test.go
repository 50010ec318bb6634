package assay

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"assay/cmd/assay/cli"
)

// The commands, flags and variables in docker-compose.yml are those of the program.
func TestComposeRunsCommandsThatExist(t *testing.T) {
	for name, service := range roles(t) {
		command := find(t, name, service.Command)
		for variable := range service.Environment {
			flag := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(variable, "ASSAY_")), "_", "-")
			if command.Flags().Lookup(flag) == nil {
				t.Errorf("%s: `%s` has no setting %s", name, command.CommandPath(), variable)
			}
		}
		if !once(service) {
			find(t, name, service.HealthCheck.Test[2:])
		}
	}
}

// So are those in the documents.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	for _, document := range []string{"README.md", filepath.Join("docs", "operations.md")} {
		text := read(t, document)
		for _, found := range command.FindAllStringSubmatch(text, -1) {
			find(t, document, strings.Fields(found[1]))
		}
		for _, found := range demoArgs.FindAllStringSubmatch(text, -1) {
			find(t, document, append([]string{"demo"}, strings.Fields(found[1])...))
		}
	}
}

var (
	command  = regexp.MustCompile("(?m)(?:`|^(?:bin/)?)assay ([^`#\n]+)")
	demoArgs = regexp.MustCompile(`DEMO_ARGS="([^"]*)"`)
)

// Every setting of a role stands in the table of docs/operations.md.
func TestSettingsAreDocumented(t *testing.T) {
	text := read(t, filepath.Join("docs", "operations.md"))
	for _, role := range []string{"migrate", "index", "pool", "worker", "serve"} {
		for _, flag := range strings.Fields(flagsOf(find(t, "this test", []string{role}))) {
			if !strings.Contains(text, "\n| `"+flag+"` |") && !strings.Contains(text, "`--"+flag+"`") {
				t.Errorf("docs/operations.md does not explain %s, a setting of `assay %s`", flag, role)
			}
		}
	}
}

func flagsOf(command *cobra.Command) string {
	return regexp.MustCompile(`(?m)^.*--([a-z-]+).*$`).ReplaceAllString(command.LocalFlags().FlagUsages(), "$1")
}

// find returns the command that the words name, after it has looked at their flags.
func find(t *testing.T, where string, words []string) *cobra.Command {
	t.Helper()
	command, rest, err := cli.New().Find(words)
	if err != nil || !command.HasParent() || command.HasSubCommands() {
		t.Fatalf("%s: there is no command `assay %s`", where, strings.Join(words, " "))
	}
	for _, word := range rest {
		flag, isFlag := strings.CutPrefix(word, "--")
		flag, _, _ = strings.Cut(flag, "=")
		if isFlag && command.Flags().Lookup(flag) == nil {
			t.Errorf("%s: `%s` has no flag --%s", where, command.CommandPath(), flag)
		}
	}
	return command
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
