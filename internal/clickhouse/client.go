package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Config says where ClickHouse is and what to use there.
type Config struct {
	Addr     string // host:port of a server's HTTP interface, usually port 8123
	Socket   string // path of an embedded engine's socket, instead of Addr
	Database string
	User     string // empty: default
	Password string
	ReadOnly bool // refuse everything that changes data or settings (readonly=1)
}

// maxConnections bounds what one client has under way at once; more wait for their turn.
const maxConnections = 16

// errUnknownDatabase is ClickHouse's UNKNOWN_DATABASE.
const errUnknownDatabase = 81

// Open connects to ClickHouse and creates the database if it is missing and the
// configuration is not read-only. Inserts answer when the rows are stored, not queued.
// Exceptions of ClickHouse are [*clickhouse.Exception].
func Open(ctx context.Context, config Config) (driver.Conn, error) {
	conn, err := open(ctx, config)
	if exception, ok := errors.AsType[*clickhouse.Exception](err); !ok || exception.Code != errUnknownDatabase || config.ReadOnly {
		return conn, err
	}
	if err := createDatabase(ctx, config); err != nil {
		return nil, err
	}
	return open(ctx, config)
}

func open(ctx context.Context, config Config) (driver.Conn, error) {
	conn, err := clickhouse.Open(config.options())
	if err != nil {
		return nil, fmt.Errorf("connecting to ClickHouse at %s: %w", config.place(), err)
	}
	if err := conn.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to ClickHouse at %s: %w", config.place(), err), conn.Close())
	}
	return conn, nil
}

func createDatabase(ctx context.Context, config Config) error {
	name := "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(config.Database) + "`"
	config.Database = ""
	conn, err := open(ctx, config)
	if err != nil {
		return err
	}
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+name); err != nil {
		return errors.Join(fmt.Errorf("creating the database %s: %w", name, err), conn.Close())
	}
	return conn.Close()
}

func (c Config) options() *clickhouse.Options {
	options := &clickhouse.Options{
		Protocol: clickhouse.HTTP,
		Addr:     []string{c.Addr},
		Auth:     clickhouse.Auth{Database: c.Database, Username: c.User, Password: c.Password},
		// The server's default since 26.2 is to queue.
		Settings: clickhouse.Settings{"async_insert": 0},
		// No compression: with it, a row that contains "__exception__" and a line break, which
		// anybody can bring into the database, reads as an exception (ch-go 0.74: after the end
		// of the input its decompressor gives out the last frame once more).
		Compression:  nil,
		MaxOpenConns: maxConnections,
		MaxIdleConns: maxConnections,
	}
	if c.ReadOnly {
		options.Settings["readonly"] = 1
	}
	if c.Socket != "" {
		options.Addr = []string{"embedded"}
		options.DialContext = func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", c.Socket)
		}
		options.TransportFunc = func(transport *http.Transport) (http.RoundTripper, error) {
			transport.Proxy = nil // whatever the environment says
			return transport, nil
		}
	}
	return options
}

func (c Config) place() string {
	if c.Socket != "" {
		return c.Socket
	}
	return c.Addr
}
