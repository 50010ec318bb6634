package audit

import (
	"context"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"assay/schema/assaypb"
)

// Ledger says what of the chain is in the log, and what proves that nothing is missing
// there: the ledger of the newest mark, without what was retracted since. It is the only
// statement of completeness: that all is equal means that what is in the log is right.
type Ledger struct {
	Start   uint64           `json:"start"`   // first block that is wanted
	Head    uint64           `json:"head"`    // newest block of the chain, by the node
	Percent float64          `json:"percent"` // of the blocks between them that were scanned and believed
	Blocks  map[State]uint64 `json:"blocks"`  // by what is known of them
	Ranges  []Range          `json:"ranges"`  // of all blocks between them, in order
}

// State is what is known of the blocks of a range.
type State string

// States of a range. Each of the first three says more than the one before.
const (
	StateFetched  State = "FETCHED"  // a node said so
	StateBloom    State = "BLOOM"    // it agrees with the headers' bloom filters
	StateReceipts State = "RECEIPTS" // the receipts make the headers' receipts roots
	StateFailed   State = "FAILED"   // it was asked for and not believed: not in the log
	StateOwed     State = "OWED"     // nothing
)

// Range is neighbouring blocks of which the same is known.
type Range struct {
	From    uint64 `json:"from"`
	To      uint64 `json:"to"` // inclusive
	State   State  `json:"state"`
	Failure string `json:"failure,omitempty"` // of a failed range: what is not believed
}

// Failed lists the ranges that were not believed.
func (l Ledger) Failed() []Range {
	var out []Range
	for _, r := range l.Ranges {
		if r.State == StateFailed {
			out = append(out, r)
		}
	}
	return out
}

// ledgerOf makes the statement about the blocks from start to head, of a mark's ledger that
// holds up to a block.
func ledgerOf(covered []*assaypb.Coverage, start, holds, head uint64) Ledger {
	l := Ledger{Start: start, Head: head, Blocks: map[State]uint64{}}
	next := start
	for _, c := range covered {
		to := min(c.ToNumber, holds)
		if to < next || c.FromNumber > to {
			continue
		}
		if c.FromNumber > next {
			l.add(Range{From: next, To: c.FromNumber - 1, State: StateOwed})
		}
		l.add(Range{From: max(next, c.FromNumber), To: to, State: stateOf(c.Verification), Failure: shownFailure(c.Failure)})
		next = to + 1
	}
	if next <= head {
		l.add(Range{From: next, To: head, State: StateOwed})
	}
	if all := max(next, head+1) - start; all > 0 {
		l.Percent = 100 * float64(l.Blocks[StateFetched]+l.Blocks[StateBloom]+l.Blocks[StateReceipts]) / float64(all)
	}
	return l
}

func (l *Ledger) add(r Range) {
	l.Ranges = append(l.Ranges, r)
	l.Blocks[r.State] += r.To - r.From + 1
}

func stateOf(level assaypb.Verification) State {
	switch level {
	case assaypb.Verification_VERIFICATION_FETCHED, assaypb.Verification_VERIFICATION_BLOOM,
		assaypb.Verification_VERIFICATION_RECEIPTS, assaypb.Verification_VERIFICATION_FAILED:
		return State(strings.TrimPrefix(level.String(), "VERIFICATION_"))
	default:
		return StateOwed // a level that this version does not know proves nothing to it
	}
}

func shownFailure(why string) string {
	if why == "" {
		return ""
	}
	return shown(why)
}

// state makes the report's ledger.
func (a *auditor) state(ctx context.Context) error {
	var newest hexutil.Uint64
	if err := a.cfg.RPC.CallContext(ctx, &newest, "eth_blockNumber"); err != nil {
		return fmt.Errorf("asking the node for its newest block: %w", err)
	}
	holds := uint64(0)
	if a.reader.head != nil {
		holds = a.reader.head.number
	}
	a.report.Ledger = ledgerOf(a.reader.lastMark.GetLedger(), a.cfg.Preset.StartBlock, holds, max(uint64(newest), holds))
	return nil
}

// compareLedger compares the ledger that readers see with that of the newest mark.
func (a *auditor) compareLedger(ctx context.Context) error {
	var found []string
	var version uint64
	err := a.cfg.DB.QueryRow(ctx, "SELECT [toString(from_number), toString(to_number), toString(verification), toString(failure)], version FROM coverage FINAL WHERE chain = ?",
		a.cfg.Preset.ChainID).Scan(&found, &version)
	return a.compareNewest("coverage", []string{"from_number", "to_number", "verification", "failure"}, a.reader.coverageRow(), found, version, err)
}

// coverageRow is the row of coverage as it should be, its lists as ClickHouse spells them;
// nil if there should be none.
func (r *reader) coverageRow() []string {
	if r.lastMark == nil {
		return nil
	}
	var from, to, levels, failures []string
	for _, c := range r.lastMark.Ledger {
		from, to = append(from, number(c.FromNumber)), append(to, number(c.ToNumber))
		levels = append(levels, quoted(strings.TrimPrefix(c.Verification.String(), "VERIFICATION_")))
		failures = append(failures, quoted(c.Failure))
	}
	return []string{list(from), list(to), list(levels), list(failures)}
}

func list(values []string) string { return "[" + strings.Join(values, ",") + "]" }

// quoting is how ClickHouse spells a text within a list.
var quoting = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x00", `\0`)

func quoted(text string) string { return "'" + quoting.Replace(text) + "'" }
