package subgraph

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/99designs/gqlgen/graphql/playground"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/vektah/gqlparser/v2/ast"

	"assay/graphql/internal/database"
	"assay/graphql/internal/edge"
)

// Config is what one subgraph of one chain is served from.
type Config struct {
	Database   database.Conn // ClickHouse; driver.Conn is one
	Definition string        // of its entities, such as schema/graphql/subgraph.PoCo
	Tables     string        // what the names of its entities' tables begin with: subgraph, dataprotector
	Chain      uint64
	Deployment string // its id, which _meta says
	Log        *slog.Logger
	Limits     Limits // zero: DefaultLimits
}

// New serves a subgraph at every path: POST for queries, GET with ?query= as well, and
// GraphiQL for browsers.
func New(config Config) (http.Handler, error) {
	if config.Limits == (Limits{}) {
		config.Limits = DefaultLimits()
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	kind, err := newKind(config.Definition, config.Tables)
	if err != nil {
		return nil, err
	}
	return newServer(kind, config, database.NewReader(config.Database, config.Limits.database(), prometheus.NewRegistry())), nil
}

// kind is what the subgraphs of all chains have in common that hold the same entities.
type kind struct {
	definition *Definition
	tables     string // what their names begin with
	schema     *ast.Schema
	documents  graphql.Cache[*ast.QueryDocument]
}

func newKind(definition, tables string) (*kind, error) {
	d, err := ParseDefinition(definition, tables)
	if err != nil {
		return nil, err
	}
	schema, err := d.Schema()
	return &kind{d, tables, schema, lru.New[*ast.QueryDocument](documents)}, err
}

// server serves one subgraph of one chain.
type server struct {
	*kind
	Config
	reader  *database.Reader
	shelf   *shelf
	graphql *handler.Server
}

func newServer(k *kind, config Config, reader *database.Reader) *server {
	s := &server{kind: k, Config: config, reader: reader, shelf: newShelf(reader, k.definition, k.tables, config.Chain)}
	s.graphql = handler.New(executable{s})
	s.graphql.AddTransport(transport.GET{})
	s.graphql.AddTransport(transport.POST{})
	s.graphql.SetQueryCache(lru.New[*ast.QueryDocument](1)) // of what lenient lets gqlgen see
	s.graphql.SetRecoverFunc(func(_ context.Context, cause any) error {
		config.Log.Error("answering a subgraph query: panic", "cause", cause, "stack", string(debug.Stack()))
		return errInternal
	})
	s.graphql.Use(extension.AutomaticPersistedQuery{Cache: lru.New[string](documents)})
	s.graphql.Use(lenient{s})
	return s
}

// documents is how many parsed documents are kept.
const documents = 1000

// headAge is how old the head may be that an answer is read at.
const headAge = 100 * time.Millisecond

// ServeHTTP answers a request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !edge.AllowOrigins(w, r) {
		s.serve(w, r, nil)
	}
}

// serve answers a request in bounded time, from a cache where there is one. As with
// graph-node a POST's body counts, whatever is said of its type.
func (s *server) serve(w http.ResponseWriter, r *http.Request, cache *edge.Cache) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(edge.BodyTimeout + s.Limits.Timeout + edge.WriteTimeout)) // where it can be set
	switch {
	case r.Method == http.MethodGet && !r.URL.Query().Has("query") && !r.URL.Query().Has("extensions"):
		playground.Handler(s.Deployment, r.URL.Path).ServeHTTP(w, r)
		return
	case r.Method == http.MethodPost && !edge.TakeBody(w, r, s.Limits.Body):
		return
	case r.Method == http.MethodPost:
		r.Header.Set("Content-Type", "application/json")
	}
	if cache == nil {
		s.graphql.ServeHTTP(w, r)
		return
	}
	cache.Serve(w, r, s.graphql)
}

// executable is what gqlgen's server executes: whatever lenient has planned.
type executable struct{ *server }

var _ graphql.ExecutableSchema = executable{}

// Schema is the served one.
func (e executable) Schema() *ast.Schema { return e.schema }

// Complexity of fields is not weighed: what is read bounds itself.
func (executable) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}

// Exec answers the operation that lenient has planned.
func (e executable) Exec(ctx context.Context) graphql.ResponseHandler {
	prepared, _ := graphql.GetOperationContext(ctx).Stats.GetExtension(preparedKey).(*prepared)
	return graphql.OneShot(e.respond(ctx, prepared))
}
