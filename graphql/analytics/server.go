package analytics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/99designs/gqlgen/graphql/playground"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/vektah/gqlparser/v2/ast"

	"assay/graphql/analytics/generated"
	"assay/graphql/internal/database"
	"assay/graphql/internal/edge"
)

const (
	documents     = 100                    // parsed queries that are kept, and persisted ones
	loaderWait    = 2 * time.Millisecond   // how long a batch waits for more keys
	defaultPoll   = 500 * time.Millisecond // between looks for new payouts
	pingInterval  = 20 * time.Second       // on quiet streams
	shutdownGrace = 15 * time.Second       // for requests under way when the server ends
	readyTimeout  = 2 * time.Second
	maxHeader     = 64 << 10
)

// Config is what the API runs on.
type Config struct {
	Database     database.Conn
	Log          *slog.Logger
	Metrics      *prometheus.Registry // nil: one of its own
	Limits       Limits               // zero: DefaultLimits
	Poll         time.Duration        // between looks for news; zero: half a second
	ClientHeader string               // in which a proxy says who the client is; empty: who connects

	Beside func(*http.ServeMux, *edge.Front) // adds other endpoints to the server; nil: none
}

// Serve answers requests that come to the listener until ctx ends. Then it tells the
// readers of streams, lets other requests finish, and returns nil.
func Serve(ctx context.Context, listener net.Listener, config Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api := newAPI(ctx, config)
	server := &http.Server{
		Handler:           api,
		ReadHeaderTimeout: edge.BodyTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(config.Log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving GraphQL: %w", err)
	case <-ctx.Done():
	}
	grace, cancelGrace := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancelGrace()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("ending the GraphQL server: %w", err), server.Close())
	}
	api.streams.Wait()
	return nil
}

// Handler answers at these paths until ctx ends, which also ends its streams:
//
//	/graphql  the API: POST, GET, WebSocket, server-sent events; a browser gets GraphiQL
//	/healthz  200 while the process runs
//	/readyz   200 while the database answers
//	/metrics  for Prometheus
func Handler(ctx context.Context, config Config) http.Handler { return newAPI(ctx, config) }

// api is the HTTP side.
type api struct {
	mux     *http.ServeMux
	ctx     context.Context // its end ends streams
	limits  Limits
	reader  *reader
	clients *edge.Clients
	cache   *edge.Cache
	graphql http.Handler
	page    http.Handler
	open    *edge.Streams
	streams sync.WaitGroup
}

func newAPI(ctx context.Context, config Config) *api {
	if config.Limits == (Limits{}) {
		config.Limits = DefaultLimits()
	}
	if config.Metrics == nil {
		config.Metrics = prometheus.NewRegistry()
	}
	if config.Poll == 0 {
		config.Poll = defaultPoll
	}
	m := newMetrics(config.Metrics)
	r := database.NewReader(config.Database, config.Limits.database(), config.Metrics)
	f := newFeeds(r, config, m)
	a := &api{
		mux: http.NewServeMux(), ctx: ctx, limits: config.Limits, reader: r,
		clients: edge.NewClients(config.Limits.Rate, config.Limits.Burst, config.ClientHeader),
		cache:   edge.NewCache(r, config.Limits.cache(), config.Metrics),
		graphql: newExecutor(r, f, m, config, loaderWait),
		page:    playground.Handler("Assay", "/graphql"),
	}
	a.open = edge.NewStreams(a.clients, config.Limits.Streams, config.Limits.StreamsEach)
	for _, run := range f.runs() {
		a.streams.Go(func() { run(ctx) })
	}
	a.mux.HandleFunc("/graphql", a.serveGraphQL)
	a.mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	a.mux.HandleFunc("/readyz", a.serveReady)
	a.mux.Handle("/metrics", promhttp.HandlerFor(config.Metrics, promhttp.HandlerOpts{}))
	if config.Beside != nil {
		config.Beside(a.mux, &edge.Front{Reader: r, Clients: a.clients, Cache: a.cache})
	}
	return a
}

// ServeHTTP answers a request in bounded time, but for streams, which bound each write.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(edge.BodyTimeout + a.limits.Timeout + edge.WriteTimeout)) // where it can be set
	a.mux.ServeHTTP(w, r)
}

// newExecutor makes gqlgen's server. Its transports are asked in this order, and so are
// its extensions.
func newExecutor(r *reader, f *feeds, m *metrics, config Config, wait time.Duration) *handler.Server {
	limits, log := config.Limits, config.Log
	executor := handler.New(generated.NewExecutableSchema(generated.Config{
		Resolvers:  &resolver{reader: r, points: newPoints(r), feeds: f},
		Complexity: costs(),
	}))
	socket := transport.Websocket{PingPongInterval: pingInterval, KeepAlivePingInterval: pingInterval, InitTimeout: edge.BodyTimeout}
	socket.Upgrader.CheckOrigin = func(*http.Request) bool { return true } // public data, no cookies
	socket.Upgrader.ReadBufferSize = 4096                                  // or it would read beside the bounded connection
	executor.AddTransport(socket)
	executor.AddTransport(transport.SSE{KeepAlivePingInterval: pingInterval})
	executor.AddTransport(transport.GET{})
	executor.AddTransport(transport.POST{})
	executor.SetQueryCache(lru.New[*ast.QueryDocument](documents))
	executor.SetParserTokenLimit(limits.Tokens)
	executor.SetErrorPresenter(presenter(log))
	executor.SetRecoverFunc(recoverer(log))
	executor.Use(extension.AutomaticPersistedQuery{Cache: lru.New[string](documents)})
	executor.Use(guard{limits})
	executor.Use(extension.Introspection{})
	executor.Use(extension.FixedComplexityLimit(limits.Complexity))
	executor.Use(session{limits, r, m, wait})
	return executor
}

// serveGraphQL sorts requests by what they need.
func (a *api) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	if edge.AllowOrigins(w, r) || !a.clients.Allow(w, r) {
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), operationsKey{}, new(atomic.Int64)))
	switch {
	case r.Header.Get("Upgrade") != "":
		a.stream(edge.SocketWriter{ResponseWriter: w, Limit: a.limits.Body}, r)
	case r.Method == http.MethodGet && wantsPage(r):
		a.page.ServeHTTP(w, r)
	case r.Method == http.MethodPost && !edge.TakeBody(w, r, a.limits.Body):
	case strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		a.stream(edge.EventWriter{ResponseWriter: w}, r)
	default:
		a.cache.Serve(w, r, a.graphql)
	}
}

func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html") && !r.URL.Query().Has("query")
}

// stream serves a request that goes on for ever: until the client leaves or ctx ends.
func (a *api) stream(w http.ResponseWriter, r *http.Request) {
	leave, entered := a.open.Enter(w, r)
	if !entered {
		return
	}
	defer leave()
	a.streams.Add(1)
	defer a.streams.Done()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.ctx, cancel)() //nolint:contextcheck // the server's end, beside the request's
	a.graphql.ServeHTTP(w, r.WithContext(ctx))
}

func (a *api) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if _, err := a.reader.Now(ctx, 0); err != nil {
		answer(w, http.StatusServiceUnavailable, "the database does not answer")
		return
	}
	answer(w, http.StatusOK, "ready")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // the client may be gone
}
