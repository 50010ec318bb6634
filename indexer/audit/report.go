package audit

import (
	"fmt"
	"strings"
)

// Report is the outcome of an audit.
type Report struct {
	Equal       bool         `json:"equal"`
	Chain       string       `json:"chain"`
	Block       uint64       `json:"block"`   // after which the contracts were asked
	Indexed     uint64       `json:"indexed"` // newest block that is indexed, or where --at says to stop
	Ledger      Ledger       `json:"ledger"`
	Compared    Compared     `json:"compared"`
	Differences []Difference `json:"differences"`
	Omitted     uint64       `json:"omitted,omitempty"` // differences beyond MaxDifferences
	Seconds     float64      `json:"seconds"`
}

// Compared says how much was compared.
type Compared struct {
	Log        LogCount          `json:"log"`
	Contracts  map[string]*Count `json:"contracts"`  // by kind of thing
	ClickHouse map[string]*Count `json:"clickhouse"` // by table
	Tables     map[string]*Count `json:"tables"`     // by check of tables with each other
}

// LogCount says what was read of the chain log.
type LogCount struct {
	Records     uint64 `json:"records"`
	Repeated    uint64 `json:"repeated"` // by a producer that tried again
	Blocks      uint64 `json:"blocks"`   // canonical
	Events      uint64 `json:"events"`   // of them
	Retractions uint64 `json:"retractions"`
	Marks       uint64 `json:"marks"`
	Settlements uint64 `json:"settlements"` // tasks whose payments were checked
}

// Count says how many things of a kind were compared.
type Count struct {
	Compared  uint64 `json:"compared"`
	Of        uint64 `json:"of"`                     // there are
	Changed   uint64 `json:"changedSince,omitempty"` // not compared: the row is of a later moment
	Different uint64 `json:"different,omitempty"`    // things with at least one difference
}

// Difference is one thing that is not as the log says, or one fault of the log itself.
type Difference struct {
	In       string `json:"in"`              // log, contracts, clickhouse or tables (with each other)
	Kind     string `json:"kind"`            // what sort of thing, or the table
	ID       string `json:"id"`              // which one
	Field    string `json:"field,omitempty"` // empty: the whole of it
	Expected string `json:"expected"`
	Found    string `json:"found"`
	Cause    *Cause `json:"cause,omitempty"` // the event that made the expected value
}

// Where a difference was found.
const (
	inLog        = "log"
	inContracts  = "contracts"
	inClickHouse = "clickhouse"
	inTables     = "tables"
)

// Cause is an event of the chain log: the newest that changed the value.
type Cause struct {
	Block    uint64 `json:"block"`
	Tx       string `json:"tx,omitempty"` // empty: the block as a whole
	LogIndex uint32 `json:"logIndex"`
	Event    string `json:"event"`
	Task     string `json:"task,omitempty"`
	Deal     string `json:"deal,omitempty"`
}

// MaxDifferences bounds how many differences a report holds; the others are counted.
const MaxDifferences = 10_000

// maxShown bounds how much of a value is shown.
const maxShown = 200

func (d Difference) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s %s", d.In, d.Kind, d.ID)
	if d.Field != "" {
		out.WriteString(", " + d.Field)
	}
	fmt.Fprintf(&out, ": expected %s, found %s", d.Expected, d.Found)
	if d.Cause != nil {
		fmt.Fprintf(&out, "; caused by %s", d.Cause)
	}
	return out.String()
}

func (c Cause) String() string {
	if c.Tx == "" {
		return fmt.Sprintf("block %d", c.Block)
	}
	text := fmt.Sprintf("%s (block %d, transaction %s, log %d", c.Event, c.Block, c.Tx, c.LogIndex)
	if c.Task != "" {
		text += ", task " + c.Task
	}
	if c.Deal != "" {
		text += ", deal " + c.Deal
	}
	return text + ")"
}

// add notes a difference.
func (r *Report) add(d Difference) {
	if len(r.Differences) >= MaxDifferences {
		r.Omitted++
		return
	}
	d.Expected, d.Found = shown(d.Expected), shown(d.Found)
	r.Differences = append(r.Differences, d)
}

// shown is a value fit to be read: short, and printable whatever the chain brought in.
func shown(value string) string {
	if len(value) > maxShown {
		value = value[:maxShown] + "…"
	}
	for _, r := range value {
		if r < ' ' || r == '\uFFFD' || r == 0x7f {
			return fmt.Sprintf("%q", value)
		}
	}
	if value == "" {
		return "(nothing)"
	}
	return value
}

// count is the entry of a kind.
func count(counts map[string]*Count, kind string) *Count {
	if counts[kind] == nil {
		counts[kind] = &Count{}
	}
	return counts[kind]
}
