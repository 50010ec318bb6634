package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"assay/indexer/sink"
	"assay/internal/clickhouse"
	"assay/schema/chains"
)

// Config is what a role is told: by flags, by the environment (ASSAY_ and the key in
// capitals) and by one YAML file, in this order of precedence. Secrets are never in it:
// it names the files that hold them.
type Config struct {
	Chain                  string   `mapstructure:"chain" yaml:"chain"`
	RPC                    string   `mapstructure:"rpc" yaml:"rpc"`
	Verify                 string   `mapstructure:"verify" yaml:"verify"`
	Kafka                  []string `mapstructure:"kafka" yaml:"kafka"`
	ClickHouse             string   `mapstructure:"clickhouse" yaml:"clickhouse"`
	ClickHouseDatabase     string   `mapstructure:"clickhouse-database" yaml:"clickhouse-database"`
	ClickHouseUser         string   `mapstructure:"clickhouse-user" yaml:"clickhouse-user"`
	ClickHousePasswordFile string   `mapstructure:"clickhouse-password-file" yaml:"clickhouse-password-file"`
	ClickHouseCluster      string   `mapstructure:"clickhouse-cluster" yaml:"clickhouse-cluster"`
	State                  string   `mapstructure:"state" yaml:"state"`
	StateRows              uint32   `mapstructure:"state-rows" yaml:"state-rows"`
	Listen                 string   `mapstructure:"listen" yaml:"listen"`
	ClientHeader           string   `mapstructure:"client-header" yaml:"client-header"`
	Metrics                string   `mapstructure:"metrics" yaml:"metrics"`
	KeyFile                string   `mapstructure:"key-file" yaml:"key-file"`
	PasswordFile           string   `mapstructure:"password-file" yaml:"password-file"`
	Workerpool             []string `mapstructure:"workerpool" yaml:"workerpool"`
	Members                []string `mapstructure:"members" yaml:"members"`
	QuoteRoot              string   `mapstructure:"quote-root" yaml:"quote-root"`
	Policy                 string   `mapstructure:"policy" yaml:"policy"`
	QuoteMode              string   `mapstructure:"quote-mode" yaml:"quote-mode"`
	Slots                  uint32   `mapstructure:"slots" yaml:"slots"`
	LogLevel               string   `mapstructure:"log-level" yaml:"log-level"`
	LogFormat              string   `mapstructure:"log-format" yaml:"log-format"`
}

// keys are all settings, with their defaults and what they mean.
var keys = map[string]struct {
	value any
	usage string
}{
	"chain":                    {"", "the chain: a preset's name (see: assay chain presets) or a preset file"},
	"rpc":                      {"http://127.0.0.1:8545", "address of the chain's JSON-RPC endpoint; an index takes several, with commas"},
	"verify":                   {"live", "what an index proves of what endpoints answer: receipts, bloom, live (receipts of new blocks only) or off"},
	"kafka":                    {[]string{"127.0.0.1:9092"}, "addresses of Kafka brokers"},
	"clickhouse":               {"127.0.0.1:8123", "address of ClickHouse's HTTP interface: host:port, or unix: and a socket's path"},
	"clickhouse-database":      {"assay", "database in ClickHouse"},
	"clickhouse-user":          {"default", "user of ClickHouse"},
	"clickhouse-password-file": {"", "file that holds the user's password"},
	"clickhouse-cluster":       {"", "make the tables replicated and distributed over this cluster of ClickHouse (default: one server's own)"},
	"state":                    {"", "directory in which an index keeps the state of its fold; empty: in memory only, and folded again at each start"},
	"state-rows":               {uint32(sink.DefaultStateRows), "how many rows of that state stay in memory; the rest is on disk, if state names a directory"},
	"listen":                   {"127.0.0.1:8080", "address to serve the API on"},
	"client-header":            {"", "header in which a proxy says who the client of the API is; empty: who connects"},
	"metrics":                  {"127.0.0.1:9100", "address to serve /metrics, /healthz and /readyz on"},
	"key-file":                 {"", "file that holds the account's key: geth's keystore JSON, or 64 hex digits"},
	"password-file":            {"", "file that holds the keystore's password"},
	"workerpool":               {[]string{}, "addresses of the workerpools to decide for, or to work for"},
	"members":                  {[]string{}, "addresses of the workers that may contribute; none: any that offers itself"},
	"quote-root":               {"", "file with the certificate that enclave quotes must chain to (default: Intel's; another one on development chains only)"},
	"policy":                   {"", "file with the policy for enclave quotes, YAML or JSON, to put into the collateral log (default: what is there, else the strict one)"},
	"quote-mode":               {"result", "what a worker's enclave has quoted: result (each result) or session (its key, once for each task)"},
	"slots":                    {uint32(4), "how many tasks a worker takes at once"},
	"log-level":                {"info", "debug, info, warn or error"},
	"log-format":               {"text", "text or json"},
}

// everywhere are the settings that every role takes.
var everywhere = []string{"log-level", "log-format"}

// bind declares the settings that a command takes.
func bind(command *cobra.Command, names ...string) {
	flags := command.Flags()
	for _, name := range append(names, everywhere...) {
		key := keys[name]
		switch value := key.value.(type) {
		case string:
			flags.String(name, value, key.usage)
		case []string:
			flags.StringSlice(name, value, key.usage)
		case uint32:
			flags.Uint32(name, value, key.usage)
		}
	}
	flags.String("config", "", "YAML file with any of these settings")
	flags.Bool("print-config", false, "print the settings in force, then stop")
}

// errPrinted ends a command that was only asked to print its settings.
var errPrinted = errors.New("the settings were printed")

// load reads the settings of a command.
func load(command *cobra.Command) (Config, error) {
	settings := viper.New()
	settings.SetEnvPrefix("assay")
	settings.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	settings.AutomaticEnv()
	if err := settings.BindPFlags(command.Flags()); err != nil {
		return Config{}, err
	}
	if err := readFile(settings, command.Flags()); err != nil {
		return Config{}, err
	}
	var config Config
	if err := settings.Unmarshal(&config); err != nil {
		return Config{}, fmt.Errorf("reading the settings: %w", err)
	}
	if settings.GetBool("print-config") {
		return Config{}, errors.Join(errPrinted, config.print(command))
	}
	return config, nil
}

// readFile merges the YAML file. A key that the command does not know is an error: it
// is a typing mistake, or meant for another role.
func readFile(settings *viper.Viper, flags *pflag.FlagSet) error {
	path := settings.GetString("config")
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the settings: %w", err)
	}
	settings.SetConfigType("yaml")
	if err := settings.ReadConfig(bytes.NewReader(data)); err != nil {
		return fmt.Errorf("reading the settings in %s: %w", path, err)
	}
	for _, name := range settings.AllKeys() {
		if _, known := keys[name]; !known && flags.Lookup(name) == nil {
			return fmt.Errorf("%s: there is no setting %q", path, name)
		}
	}
	return nil
}

// print writes the settings, but for what an endpoint's address hides: many end in an
// API key.
func (c Config) print(command *cobra.Command) error {
	shown := c.endpoints()
	for i, address := range shown {
		shown[i] = masked(address)
	}
	c.RPC = strings.Join(shown, ",")
	encoder := yaml.NewEncoder(command.OutOrStdout())
	encoder.SetIndent(2)
	if err := encoder.Encode(c); err != nil {
		return err
	}
	return encoder.Close()
}

// endpoints are the addresses of the chain's JSON-RPC endpoints.
func (c Config) endpoints() []string { return strings.Split(c.RPC, ",") }

// masked is an address without user, path and query, where secrets are.
func masked(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "(not an address)"
	}
	hidden := parsed.User != nil || parsed.RawQuery != "" || strings.Trim(parsed.Path, "/") != ""
	shown := parsed.Scheme + "://" + parsed.Host
	if hidden {
		shown += "/…"
	}
	return shown
}

// logger writes to standard error, so that standard output is the command's answer.
func (c Config) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %s: use debug, info, warn or error", c.LogLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	switch c.LogFormat {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	}
	return nil, fmt.Errorf("--log-format %s: use text or json", c.LogFormat)
}

// preset finds the chain, by name or in a file.
func (c Config) preset() (chains.Preset, error) {
	presets, err := chains.All()
	if err != nil {
		return chains.Preset{}, err
	}
	names := make([]string, len(presets))
	for i, preset := range presets {
		if preset.Name == c.Chain {
			return preset, nil
		}
		names[i] = preset.Name
	}
	data, err := os.ReadFile(c.Chain)
	if errors.Is(err, fs.ErrNotExist) {
		return chains.Preset{}, fmt.Errorf("--chain %q is neither a preset (%s) nor a file", c.Chain, strings.Join(names, ", "))
	}
	if err != nil {
		return chains.Preset{}, err
	}
	preset, err := chains.Parse(data)
	if err != nil {
		return chains.Preset{}, fmt.Errorf("preset %s: %w", c.Chain, err)
	}
	return preset, nil
}

// database is where the rows are.
func (c Config) database() (clickhouse.Config, error) {
	password, err := secret(c.ClickHousePasswordFile)
	if err != nil {
		return clickhouse.Config{}, fmt.Errorf("reading ClickHouse's password: %w", err)
	}
	database := clickhouse.Config{Database: c.ClickHouseDatabase, User: c.ClickHouseUser, Password: password}
	if socket, local := strings.CutPrefix(c.ClickHouse, "unix:"); local {
		database.Socket = socket
	} else {
		database.Addr = c.ClickHouse
	}
	return database, nil
}

// secret reads a file that holds one secret; no file, no secret.
func secret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	data, err := os.ReadFile(path)
	return strings.TrimRight(string(data), "\r\n"), err
}
