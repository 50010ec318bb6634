package sink

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"assay/indexer/projection/table"
)

// plan is a row of plans: the batch that was last begun of a partition.
type plan struct {
	Chain     uint64 `ch:"chain"`
	Topic     string `ch:"topic"`
	Partition uint32 `ch:"partition"`
	Number    uint64 `ch:"number"`
	First     uint64 `ch:"first"`
	Last      uint64 `ch:"last"`
	Owner     string `ch:"owner"`
}

// token names the rows of one step of a planned batch. The number of a plan is never used
// twice in a database, so neither is a token.
func (p plan) token(step int, table string) string {
	return fmt.Sprintf("%d/%s/%d/%d/%d/%s", p.Chain, p.Topic, p.Partition, p.Number, step, table)
}

// FencedError says that another sink writes the same log to the same database.
type FencedError struct {
	Topic     string
	Partition int
	Other     string // who
	Since     time.Time
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("another sink (%s) writes %s/%d to this database, last at %s: one of the two is one too many, and this one stops",
		e.Other, e.Topic, e.Partition, e.Since.Format(time.RFC3339))
}

// ownerName names this sink among all that ever wrote: host, process and a random number.
func ownerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d, %s", host, os.Getpid(), rand.Text()[:8])
}

// lastPlan reads the newest plan of a partition; its number is 0 if there is none.
func (w *writer) lastPlan(ctx context.Context, topic string, partition int) (plan, time.Time, error) {
	p := plan{Chain: w.chain, Topic: topic, Partition: uint32(partition)}
	var written time.Time
	row := w.db.QueryRow(ctx, `SELECT max(number), argMax(first, number), argMax(last, number), argMax(owner, number), argMax(time, number)
		FROM plans WHERE chain = ? AND topic = ? AND partition = ?`, w.chain, topic, uint32(partition))
	if err := row.Scan(&p.Number, &p.First, &p.Last, &p.Owner, &written); err != nil {
		return plan{}, time.Time{}, fmt.Errorf("reading what was last begun of %s/%d: %w", topic, partition, err)
	}
	return p, written, nil
}

// begin writes the plan of a batch. Of several sinks that write a plan of the same number
// the database keeps the first, by its token; whoever finds another's has lost.
func (w *writer) begin(ctx context.Context, p plan) error {
	blocks, err := w.blocks(table.Of("plans", []plan{p}))
	if err != nil {
		return err
	}
	if err := w.insist(ctx, blocks[0], p.token(0, "plans")); err != nil {
		return fmt.Errorf("writing what is begun of %s/%d: %w", p.Topic, p.Partition, err)
	}
	return w.retry(ctx, func() error { return w.newest(ctx, p) })
}

// newest makes sure that no other sink has begun anything since a plan. The error is a
// FencedError, or the database's.
func (w *writer) newest(ctx context.Context, p plan) error {
	kept, written, err := w.lastPlan(ctx, p.Topic, int(p.Partition))
	if err != nil {
		return err
	}
	if kept != p {
		return &FencedError{Topic: p.Topic, Partition: int(p.Partition), Other: kept.Owner, Since: written}
	}
	return nil
}
