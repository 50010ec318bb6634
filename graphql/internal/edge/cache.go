package edge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/prometheus/client_golang/prometheus"

	"assay/graphql/internal/database"
)

// Cache keeps answers for as long as nothing new is indexed. Requests that agree in
// path, query and body get the same answer.
type Cache struct {
	reader  *database.Reader
	age     time.Duration
	largest int
	answers graphql.Cache[answer]
	count   *prometheus.CounterVec
}

// answer is what was answered.
type answer struct {
	kind string // Content-Type
	body []byte
}

// CacheLimits bound a cache.
type CacheLimits struct {
	Answers int           // kept at once
	Largest int           // bytes of an answer that is kept
	Age     time.Duration // for how long what was indexed need not be looked up again
}

// NewCache makes a cache of answers that are made from a database.
func NewCache(reader *database.Reader, limits CacheLimits, registry prometheus.Registerer) *Cache {
	c := &Cache{
		reader: reader, age: limits.Age, largest: limits.Largest, answers: lru.New[answer](limits.Answers),
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_graphql_cache_total", Help: "Requests by whether the answer was in the cache (hit, miss).",
		}, []string{"result"}),
	}
	registry.MustRegister(c.count)
	return c
}

// Serve answers from memory, or has next answer and remembers it. What next reads, it
// reads at what was indexed when the request came.
func (c *Cache) Serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	ctx, reading := c.reader.Begin(r.Context(), c.age)
	indexed, err := c.reader.Indexed(ctx)
	if err != nil || indexed.Token == "" {
		next.ServeHTTP(w, r.WithContext(ctx)) // next says what is wrong
		return
	}
	key, err := keyOf(r, indexed.Token)
	if err != nil {
		Refuse(w, http.StatusBadRequest, Input, "the request did not arrive whole")
		return
	}
	if known, found := c.answers.Get(ctx, key); found {
		c.count.WithLabelValues("hit").Inc()
		w.Header().Set("Content-Type", known.kind)
		_, _ = w.Write(known.body) // the client may be gone
		return
	}
	c.count.WithLabelValues("miss").Inc()
	tape := &recorder{ResponseWriter: w, limit: c.largest, status: http.StatusOK}
	next.ServeHTTP(tape, r.WithContext(ctx))
	if seen := reading.Seen(); tape.whole() && !reading.Failed() && seen != nil && seen.Token == indexed.Token {
		c.answers.Add(context.WithoutCancel(ctx), key, answer{w.Header().Get("Content-Type"), bytes.Clone(tape.body.Bytes())})
	}
}

// keyOf names a request and what was indexed when it came.
func keyOf(r *http.Request, token string) (string, error) {
	body, err := io.ReadAll(r.Body) // bounded by TakeBody
	if err != nil {
		return "", err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	hash := sha256.New()
	for _, part := range []string{token, r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Accept"), string(body)} {
		size := sha256.Sum256([]byte(part))
		hash.Write(size[:])
	}
	return string(hash.Sum(nil)), nil
}

// recorder keeps what it passes on, up to a limit.
type recorder struct {
	http.ResponseWriter
	limit  int
	status int
	over   bool
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.ResponseWriter.Write(p)
	if r.over = r.over || err != nil || r.body.Len()+n > r.limit; !r.over {
		r.body.Write(p[:n])
	}
	return n, err
}

// Unwrap leads to what bounds the time of a write.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// whole tells whether a complete answer was kept. One with errors, which gqlgen writes first,
// is not to be given again: what was wrong may be so no more.
func (r *recorder) whole() bool {
	return r.status == http.StatusOK && !r.over && r.body.Len() > 0 && !bytes.HasPrefix(r.body.Bytes(), []byte(`{"errors":`))
}
