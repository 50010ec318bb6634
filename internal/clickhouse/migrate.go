package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"
)

// Migrate brings the database to the newest of the migrations, numbered SQL files in goose's
// format, and creates it if it is missing. What is already there is left alone. ClickHouse has
// no transactions: a migration that was interrupted is run again from its start, so its
// statements must bear that (IF NOT EXISTS).
func Migrate(ctx context.Context, config Config, migrations fs.FS) (err error) {
	conn, err := Open(ctx, config)
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	db := clickhouse.OpenDB(config.options())
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, migrations)
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	for { // one by one: another process may have run the next one meanwhile
		switch _, err := provider.UpByOne(ctx); {
		case errors.Is(err, goose.ErrNoNextVersion):
			return nil
		case err != nil:
			return fmt.Errorf("migrating the database %s: %w", config.Database, err)
		}
	}
}
