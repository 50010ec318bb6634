package analytics

import (
	"time"

	"assay/graphql/internal/database"
	"assay/graphql/internal/edge"
)

// Limits bound what one client can ask for. All but Fresh must be positive.
type Limits struct {
	Body         int // bytes of a request, and of a WebSocket message
	Tokens       int // words of a query
	Fields       int // fields of a query, fragments spread out
	Depth        int // levels of a query
	Introspected int // about how many values of the schema's description one query may read
	Complexity   int // fields of the response, were every page full
	Statements   int // statements read for one response
	Operations   int // operations under way on one connection
	Subscribers  int // subscriptions under way to one field, of all clients
	Streams      int // WebSockets and event streams under way, of all clients
	StreamsEach  int // and of one client
	Answer       int // bytes of a response's text values
	Parallel     int // statements under way, of all clients

	Timeout time.Duration // for a response, and for each statement
	Rows    uint64        // read by one statement
	Memory  uint64        // bytes in the database for one statement
	Result  uint64        // bytes that one statement may give

	Rate  float64 // requests a second of one client, on average
	Burst int     // requests of one client at once

	Answers int           // kept while nothing new is indexed
	Largest int           // bytes of an answer that is kept
	Fresh   time.Duration // for how long what was indexed need not be looked up again; may be zero
}

func (l Limits) database() database.Limits {
	return database.Limits{Statements: l.Statements, Parallel: l.Parallel, Timeout: l.Timeout, Rows: l.Rows, Memory: l.Memory, Result: l.Result}
}

func (l Limits) cache() edge.CacheLimits {
	return edge.CacheLimits{Answers: l.Answers, Largest: l.Largest, Age: l.Fresh}
}

// DefaultLimits suit a public endpoint on a small machine.
func DefaultLimits() Limits {
	return Limits{
		Body:         64 << 10,
		Tokens:       4000,
		Fields:       1000,
		Depth:        16,
		Introspected: 200_000,
		Complexity:   100_000,
		Statements:   100,
		Operations:   32,
		Subscribers:  1000,
		Streams:      1000,
		StreamsEach:  20,
		Answer:       32 << 20,
		Parallel:     8,
		Timeout:      10 * time.Second,
		Rows:         50_000_000,
		Memory:       512 << 20,
		Result:       64 << 20,
		Rate:         50,
		Burst:        200,
		Answers:      1000,
		Largest:      64 << 10,
		Fresh:        100 * time.Millisecond,
	}
}
