package assay

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/cmd/assay/cli"
)

// egoFolder is where a worker for an SGX enclave is built, signed and run.
var egoFolder = filepath.Join("deploy", "ego")

// enclaveConfig is EGo's enclave.json.
type enclaveConfig struct {
	Exe, Key                   string
	Debug, ExecutableHeap      *bool
	HeapSize                   int
	ProductID, SecurityVersion int
	Mounts                     []struct {
		Target, Type string
		ReadOnly     bool
	}
	Env []struct {
		Name     string
		FromHost bool
	}
}

func readEnclaveConfig(t *testing.T) (config enclaveConfig) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(read(t, filepath.Join(egoFolder, "enclave.json"))))
	if err := decoder.Decode(&config); err != nil {
		t.Fatal(err)
	}
	return config
}

// Whoever may attach a debugger reads the enclave's key; EGo's own template allows it.
func TestEnclaveIsNotForDebugging(t *testing.T) {
	config := readEnclaveConfig(t)
	if config.Debug == nil || *config.Debug || config.ExecutableHeap == nil || *config.ExecutableHeap {
		t.Error("enclave.json must say that debug and executableHeap are false")
	}
	if config.HeapSize < 512 || config.ProductID < 1 || config.SecurityVersion < 1 {
		t.Errorf("heap of %d MB, product %d, security version %d", config.HeapSize, config.ProductID, config.SecurityVersion)
	}
	for _, mount := range config.Mounts {
		if mount.Type == "hostfs" && (!mount.ReadOnly || mount.Target == "/") {
			t.Errorf("the enclave can write to the host at %s", mount.Target)
		}
	}
}

// What the host may set is what `assay worker` reads, all of it and nothing else.
func TestEnclaveSeesTheSettingsOfAWorker(t *testing.T) {
	exposed := map[string]bool{}
	for _, variable := range readEnclaveConfig(t).Env {
		exposed[variable.Name] = true
	}
	worker, _, err := cli.New().Find([]string{"worker"})
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range strings.Fields(flagsOf(worker)) {
		if setting == "config" || setting == "print-config" || setting == "help" {
			continue
		}
		name := "ASSAY_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
		if !exposed[name] {
			t.Errorf("enclave.json hides %s, a setting of `assay worker`", name)
		}
		delete(exposed, name)
	}
	for name := range exposed {
		t.Errorf("enclave.json lets the host set %s, which no worker reads", name)
	}
}

// The scripts with tools in EGo's place that write down what they are asked.
func TestEnclaveIsBuiltSignedAndRun(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash")
	}
	tools, asked := t.TempDir(), filepath.Join(t.TempDir(), "asked")
	for _, tool := range []string{"ego", "ego-go"} {
		script := "#!/bin/sh\necho " + tool + " \"$@\" >>" + asked + "\n"
		if err := os.WriteFile(filepath.Join(tools, tool), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("OE_SIMULATION", "1")
	for _, script := range [][]string{{"build"}, {"run", "--slots", "2"}} {
		if out, err := exec.CommandContext(t.Context(), filepath.Join(egoFolder, script[0]), script[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	exe := readEnclaveConfig(t).Exe
	want := []string{
		"ego-go build -trimpath -buildvcs=false -tags enclave -o deploy/ego/" + exe + " ./cmd/assay",
		"ego sign enclave.json", "ego uniqueid " + exe, "ego signerid " + exe, "ego run " + exe + " worker --slots 2",
	}
	if got := read(t, asked); got != strings.Join(want, "\n")+"\n" {
		t.Errorf("asked for\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// EGo's Go is as old as EGo: it builds nothing that asks for a newer one, nor for a
// toolchain of its own choice. That of EGo 1.9.0 is 1.26.1.
func TestEgoCanBuildUs(t *testing.T) {
	text := read(t, "go.mod")
	if !strings.Contains(text, "\ngo 1.26.0\n") || strings.Contains(text, "\ntoolchain ") {
		t.Error("go.mod must ask for Go 1.26.0, and for no toolchain, or ego-go cannot build it")
	}
}

// A program in an enclave that names dlopen does not start.
func TestEnclaveLoadsNoLibraries(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-tags", "enclave", "-deps", "./cmd/assay").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "github.com/ebitengine/purego") {
		t.Error("built with the tag enclave the program still loads libraries")
	}
}
