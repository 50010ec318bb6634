package subgraph

import (
	"time"

	"assay/graphql/internal/database"
)

// Limits bound what one client can ask for. All must be positive.
type Limits struct {
	Body     int // bytes of a request
	Tokens   int // words of a document
	Fields   int // fields of a document, fragments spread out
	Depth    int // levels of a document
	Schemas  int // how often a document may ask for the schema
	Entities int // read for one response
	Answer   int // bytes of a response
	Together int // statements under way for one response

	Statements int           // read for one response
	Parallel   int           // statements under way, of all clients
	Timeout    time.Duration // for a response, and for each statement
	Rows       uint64        // read by one statement
	Memory     uint64        // bytes in the database for one statement
	Result     uint64        // bytes that one statement may give
}

// DefaultLimits suit a public endpoint on a small machine.
func DefaultLimits() Limits {
	return Limits{
		Body:     256 << 10,
		Tokens:   10_000,
		Fields:   5000,
		Depth:    32,
		Schemas:  10,
		Entities: 200_000,
		Answer:   32 << 20,
		Together: 4,

		Statements: 200,
		Parallel:   8,
		Timeout:    10 * time.Second,
		Rows:       100_000_000,
		Memory:     1 << 30,
		Result:     64 << 20,
	}
}

func (l Limits) database() database.Limits {
	return database.Limits{Statements: l.Statements, Parallel: l.Parallel, Timeout: l.Timeout, Rows: l.Rows, Memory: l.Memory, Result: l.Result}
}
