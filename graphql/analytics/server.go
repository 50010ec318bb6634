package analytics

import (
	"bytes"
	"context"
	"encoding/json"
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
)

const (
	documents     = 100                    // parsed queries that are kept
	loaderWait    = 2 * time.Millisecond   // how long a batch waits for more keys
	defaultPoll   = 500 * time.Millisecond // between looks for new payouts
	pingInterval  = 20 * time.Second       // on quiet streams
	bodyTimeout   = 20 * time.Second       // for a request to arrive
	shutdownGrace = 15 * time.Second       // for requests under way when the server ends
	readyTimeout  = 2 * time.Second
	maxHeader     = 64 << 10
)

// Config is what the API runs on.
type Config struct {
	Database Database
	Log      *slog.Logger
	Metrics  *prometheus.Registry // nil: one of its own
	Limits   Limits               // zero: DefaultLimits
	Poll     time.Duration        // between looks for new payouts; zero: half a second
}

// Serve answers requests that come to the listener until ctx ends. Then it tells the
// readers of streams, lets other requests finish, and returns nil.
func Serve(ctx context.Context, listener net.Listener, config Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api := newAPI(ctx, config)
	server := &http.Server{
		Handler:           api,
		ReadHeaderTimeout: bodyTimeout,
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
	graphql http.Handler
	page    http.Handler
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
	r := newReader(config.Database, config.Limits, m)
	f := newFeed(r, config.Poll, config.Log)
	a := &api{
		mux: http.NewServeMux(), ctx: ctx, limits: config.Limits, reader: r,
		graphql: newExecutor(r, f, config.Log, loaderWait),
		page:    playground.Handler("Assay", "/graphql"),
	}
	a.streams.Go(func() { f.run(ctx) })
	a.mux.HandleFunc("/graphql", a.serveGraphQL)
	a.mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	a.mux.HandleFunc("/readyz", a.serveReady)
	a.mux.Handle("/metrics", promhttp.HandlerFor(config.Metrics, promhttp.HandlerOpts{}))
	return a
}

// ServeHTTP answers a request in bounded time, but for streams, which bound each write.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(bodyTimeout + a.limits.Timeout + writeTimeout)) // where it can be set
	a.mux.ServeHTTP(w, r)
}

// newExecutor makes gqlgen's server. Its transports are asked in this order.
func newExecutor(r *reader, f *feed, log *slog.Logger, wait time.Duration) *handler.Server {
	executor := handler.New(generated.NewExecutableSchema(generated.Config{
		Resolvers:  &resolver{reader: r, feed: f},
		Complexity: costs(),
	}))
	socket := transport.Websocket{PingPongInterval: pingInterval, KeepAlivePingInterval: pingInterval, InitTimeout: bodyTimeout}
	socket.Upgrader.CheckOrigin = func(*http.Request) bool { return true } // public data, no cookies
	socket.Upgrader.ReadBufferSize = 4096                                  // or it would read beside the bounded connection
	executor.AddTransport(socket)
	executor.AddTransport(transport.SSE{KeepAlivePingInterval: pingInterval})
	executor.AddTransport(transport.GET{})
	executor.AddTransport(transport.POST{})
	executor.SetQueryCache(lru.New[*ast.QueryDocument](documents))
	executor.SetParserTokenLimit(r.limits.Tokens)
	executor.SetErrorPresenter(presenter(log))
	executor.SetRecoverFunc(recoverer(log))
	executor.Use(guard{r.limits})
	executor.Use(extension.Introspection{})
	executor.Use(extension.FixedComplexityLimit(r.limits.Complexity))
	executor.Use(session{r.limits, r.metrics, wait})
	return executor
}

// serveGraphQL sorts requests by what they need. Any page on the web may ask: all data is
// public, and nothing is done in anyone's name.
func (a *api) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	w.Header().Set("Access-Control-Allow-Headers", "Content-Type, Accept")
	w.Header().Set("Access-Control-Max-Age", "86400")
	r = r.WithContext(context.WithValue(r.Context(), operationsKey{}, new(atomic.Int64)))
	switch {
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	case r.Header.Get("Upgrade") != "":
		a.stream(socketWriter{w, a.limits.Body}, r)
	case r.Method == http.MethodGet && wantsPage(r):
		a.page.ServeHTTP(w, r)
	case r.Method == http.MethodPost && !a.takeBody(w, r):
	case strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		a.stream(eventWriter{w}, r)
	default:
		a.graphql.ServeHTTP(w, r)
	}
}

func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html") && !r.URL.Query().Has("query")
}

// stream serves a request that goes on for ever: until the client leaves or ctx ends.
func (a *api) stream(w http.ResponseWriter, r *http.Request) {
	a.streams.Add(1)
	defer a.streams.Done()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.ctx, cancel)() //nolint:contextcheck // the server's end, beside the request's
	a.graphql.ServeHTTP(w, r.WithContext(ctx))
}

// takeBody reads the request's body, within bounds, and checks that it is JSON. Otherwise
// it answers, and reports false.
func (a *api) takeBody(w http.ResponseWriter, r *http.Request) bool {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // where it can be set
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(a.limits.Body)))
	_ = control.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		answerError(w, http.StatusRequestEntityTooLarge, codeLimit, fmt.Sprintf("a request has at most %d bytes", a.limits.Body))
	case err != nil:
		answerError(w, http.StatusBadRequest, codeInput, "the request did not arrive whole")
	case !json.Valid(body) || !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")):
		answerError(w, http.StatusBadRequest, codeInput, `a request is a JSON object such as {"query": "{ meta { chains { chain } } }"}`)
	default:
		r.Body = io.NopCloser(bytes.NewReader(body))
		return true
	}
	return false
}

func (a *api) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if _, err := heads(ctx, a.reader); err != nil {
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

func answerError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(failure(&refusal{code, message})) // the client may be gone
}
