package subgraph

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
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
	return newServer(config, database.NewReader(config.Database, config.Limits.database(), prometheus.NewRegistry()))
}

// server serves one subgraph of one chain.
type server struct {
	Config
	definition *Definition
	schema     *ast.Schema
	reader     *database.Reader
	graphql    *handler.Server
}

func newServer(config Config, reader *database.Reader) (*server, error) {
	definition, err := ParseDefinition(config.Definition, config.Tables)
	if err != nil {
		return nil, err
	}
	schema, err := definition.Schema()
	if err != nil {
		return nil, err
	}
	s := &server{Config: config, definition: definition, schema: schema, reader: reader}
	s.graphql = handler.New(executable{s})
	s.graphql.AddTransport(transport.GET{})
	s.graphql.AddTransport(transport.POST{})
	s.graphql.SetQueryCache(lru.New[*ast.QueryDocument](1)) // of what lenient lets gqlgen see
	s.graphql.SetRecoverFunc(func(_ context.Context, cause any) error {
		config.Log.Error("answering a subgraph query: panic", "cause", cause)
		return errInternal
	})
	s.graphql.Use(lenient{s, lru.New[*ast.QueryDocument](documents)})
	return s, nil
}

// documents is how many parsed documents are kept.
const documents = 1000

// ServeHTTP answers a request in bounded time.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(edge.BodyTimeout + s.Limits.Timeout + edge.WriteTimeout)) // where it can be set
	switch {
	case edge.AllowOrigins(w, r):
	case r.Method == http.MethodGet && !r.URL.Query().Has("query"):
		playground.Handler("Assay", r.URL.Path).ServeHTTP(w, r)
	case r.Method == http.MethodPost && !edge.TakeBody(w, r, s.Limits.Body):
	default:
		if r.Method == http.MethodPost && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			r.Header.Set("Content-Type", "application/json") // graph-node looks at the body alone
		}
		s.graphql.ServeHTTP(w, r)
	}
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
