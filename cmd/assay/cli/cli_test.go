package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"assay/internal/devpki"
)

// run runs a command line as the process would.
func run(t *testing.T, arguments ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	root := New()
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(arguments)
	code = report(t.Context(), root.ExecuteContext(t.Context()), &errs)
	return out.String(), errs.String(), code
}

// node is a JSON-RPC endpoint of a chain without contracts. It is asked in batches.
func node(t *testing.T, chainID string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var requests []struct {
			ID     json.RawMessage
			Method string
		}
		if err := json.NewDecoder(r.Body).Decode(&requests); err != nil {
			t.Error(err)
		}
		answers := make([]map[string]any, len(requests))
		for i, request := range requests {
			result := map[string]string{"eth_chainId": chainID, "eth_getCode": "0x"}[request.Method]
			answers[i] = map[string]any{"jsonrpc": "2.0", "id": request.ID, "result": result}
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answers); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestWrongInput: one line, that says what to do, and an exit code that is not zero.
func TestWrongInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := strings.Repeat("5e", 31) // one byte short of a key
	address := "0x" + strings.Repeat("11", 20)
	pool := func(more ...string) []string {
		return append([]string{"pool", "--chain", "arbitrum-one", "--key-file", write("good", strings.Repeat("5e", 32)), "--workerpool", address}, more...)
	}
	testRoot := string(devpki.Chain(need(devpki.New([]byte("x"))).Root()))
	cases := map[string]struct {
		arguments []string
		says      string
		code      int
	}{
		"unknown flag":     {[]string{"demo", "--nonsense"}, "--help", exitUsage},
		"unknown command":  {[]string{"nonsense"}, "unknown command", 1},
		"unknown chain":    {[]string{"index", "--chain", "nowhere"}, "arbitrum-one", exitUsage},
		"damaged preset":   {[]string{"index", "--chain", write("chain.json", "{")}, "chain.json", exitUsage},
		"unreachable node": {[]string{"index", "--chain", "arbitrum-one", "--rpc", "http://127.0.0.1:1/secret"}, "--rpc", 1},
		"another chain":    {[]string{"index", "--chain", "arbitrum-one", "--rpc", node(t, "0x1")}, "serves chain 1", 1},
		"no contract":      {[]string{"index", "--chain", "arbitrum-one", "--rpc", node(t, "0xa4b1")}, "no contract at 0x", 1},
		"no key":           {[]string{"pool", "--chain", "arbitrum-one"}, "--key-file", exitUsage},
		"bad key":          {[]string{"pool", "--chain", "arbitrum-one", "--key-file", write("key", secret)}, "64 hex digits", exitUsage},
		"no pool":          {[]string{"pool", "--chain", "arbitrum-one", "--key-file", write("good", strings.Repeat("5e", 32))}, "--workerpool", exitUsage},
		"bad pool":         {[]string{"pool", "--chain", "arbitrum-one", "--key-file", write("good", strings.Repeat("5e", 32)), "--workerpool", "0x1"}, "not an address", exitUsage},
		"two pools":        {[]string{"worker", "--chain", "arbitrum-one", "--key-file", write("good", strings.Repeat("5e", 32))}, "one workerpool", exitUsage},
		"no such file":     {[]string{"index", "--config", filepath.Join(dir, "absent")}, "absent", exitUsage},
		"unknown setting":  {[]string{"index", "--config", write("config.yaml", "rcp: x\n")}, `no setting "rcp"`, exitUsage},
		"bad level":        {[]string{"index", "--log-level", "loud"}, "debug, info, warn or error", exitUsage},
		"bad format":       {[]string{"index", "--log-format", "xml"}, "text or json", exitUsage},
		"too few workers":  {[]string{"demo", "--workers", "1"}, "at least", 1},
		"too few tasks":    {[]string{"demo", "--tasks", "1"}, "at least", 1},
		"no database":      {[]string{"migrate", "--clickhouse", "127.0.0.1:1"}, "ClickHouse at 127.0.0.1:1", 1},
		"nobody there":     {[]string{"health", "http://127.0.0.1:1/healthz"}, "refused", 1},
		"bad root":         {pool("--quote-root", write("root", "x")), "--quote-root", exitUsage},
		"test root":        {pool("--quote-root", write("test-root", testRoot)), "only a development chain may trust another root", exitUsage},
		"bad policy":       {pool("--policy", write("policy", "version: 2")), "--policy", exitUsage},
		"bad quote mode":   {[]string{"worker", "--chain", "arbitrum-one", "--key-file", write("good", strings.Repeat("5e", 32)), "--workerpool", address, "--quote-mode", "x"}, "--quote-mode", exitUsage},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			_, stderr, code := run(t, test.arguments...)
			if code != test.code || !strings.Contains(stderr, test.says) {
				t.Errorf("exit %d, %q; want exit %d and %q", code, stderr, test.code, test.says)
			}
			if lines := strings.Count(strings.TrimSpace(stderr), "\n"); lines != 0 {
				t.Errorf("said in %d lines instead of one: %s", lines+1, stderr)
			}
			if strings.Contains(stderr, "secret") || strings.Contains(stderr, secret) {
				t.Errorf("a secret is shown: %s", stderr)
			}
		})
	}
}

// TestPrecedence: a flag wins over the environment, the environment over the file.
func TestPrecedence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte("chain: file\nkafka: [a:1, b:2]\nrpc: http://user:secret@node/key?token=secret\nlog-format: json\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ASSAY_CHAIN", "environment")
	t.Setenv("ASSAY_LOG_FORMAT", "text")
	t.Setenv("ASSAY_CLICKHOUSE_DATABASE", "other")
	out, stderr, code := run(t, "index", "--config", path, "--chain", "flag", "--print-config")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, want := range []string{"chain: flag\n", "- a:1\n", "- b:2\n", "log-format: text\n", "clickhouse-database: other\n", "rpc: http://node/…\n", "metrics: 127.0.0.1:9100\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the settings in force lack %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "secret") {
		t.Errorf("a secret is printed:\n%s", out)
	}
}

// TestKeystore: geth's keystore opens with its password and with no other.
func TestKeystore(t *testing.T) {
	dir := t.TempDir()
	want := strings.Repeat("5e", 32)
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("0x"+want+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	opened, err := Config{KeyFile: plain}.key()
	if err != nil {
		t.Fatal(err)
	}
	if got := crypto.PubkeyToAddress(opened.PublicKey); got == [20]byte{} {
		t.Error("no account")
	}
	if _, err := (Config{KeyFile: filepath.Join(dir, "absent")}).key(); err == nil {
		t.Error("an absent file gave a key")
	}
}

// TestInterrupted: Ctrl-C is no failure.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	if code := report(ctx, context.Canceled, &stderr); code != 0 || stderr.Len() != 0 {
		t.Errorf("exit %d, %q", code, &stderr)
	}
}

// TestHelp: every command and every flag says what it is for.
func TestHelp(t *testing.T) {
	for _, command := range New().Commands() {
		if command.Name() == "completion" || command.Name() == "help" {
			continue
		}
		if command.Short == "" {
			t.Errorf("assay %s says nothing of itself", command.Name())
		}
		if _, stderr, code := run(t, command.Name(), "--help"); code != 0 {
			t.Errorf("assay %s --help: exit %d: %s", command.Name(), code, stderr)
		}
	}
}

// TestPresets prints what --chain can name.
func TestPresets(t *testing.T) {
	out, _, code := run(t, "chain", "presets")
	if code != 0 || !strings.Contains(out, `"arbitrum-one"`) {
		t.Errorf("exit %d: %s", code, out)
	}
}
