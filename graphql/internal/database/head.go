package database

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Head is how far one chain is indexed: a row of the table heads. All rows of the blocks
// to it are written.
type Head struct {
	Chain           uint64    `ch:"chain"`
	Number          uint64    `ch:"head_number"`
	Hash            string    `ch:"head_hash"`
	Time            time.Time `ch:"head_time"`
	FinalizedNumber uint64    `ch:"finalized_number"`
	FinalizedHash   string    `ch:"finalized_hash"` // empty: none is known yet
	Version         uint64    `ch:"version"`        // sequence of the record in the chain log that set it
	Written         uint64    `ch:"written"`        // the rows of all records to this one are written; less while blocks are taken back
	Progress        uint64    `ch:"progress" sql:"(SELECT sum(next_offset) FROM progress FINAL)"`

	// The ledger of what was looked through: ranges, oldest first, one element of each for
	// every range. Verification is FAILED, FETCHED, BLOOM or RECEIPTS.
	From         []uint64 `ch:"from_number"`
	To           []uint64 `ch:"to_number"` // inclusive
	Verification []string `ch:"verification"`
	Failure      []string `ch:"failure"`
	Covered      uint64   `ch:"covered"` // sequence of the record that set it
}

// Indexed is what was indexed at one moment.
type Indexed struct {
	Heads []*Head // by chain id
	Token string  // another one whenever rows have been written; empty: nothing is indexed
}

// heads is what was indexed last.
type heads struct {
	gather *Gather[struct{}, *Indexed]
	mutex  sync.Mutex
	last   *Indexed
	at     time.Time // when its read began
}

// Now reads how far each chain is indexed, or says what was read less than age ago.
func (r *Reader) Now(ctx context.Context, age time.Duration) (*Indexed, error) {
	r.heads.mutex.Lock()
	last, at := r.heads.last, r.heads.at
	r.heads.mutex.Unlock()
	if last != nil && time.Since(at) < age {
		return last, nil
	}
	read, err := r.heads.gather.Get(ctx, struct{}{})
	return read[struct{}{}], err
}

// readHeads reads how far each chain is indexed.
func (r *Reader) readHeads(ctx context.Context, _ []struct{}) (map[struct{}]*Indexed, error) {
	began := time.Now()
	var s Statement
	s.Add("SELECT ", Selection[Head](),
		" FROM (SELECT * FROM heads FINAL) AS h LEFT JOIN (SELECT chain, from_number, to_number, verification, failure, version AS covered FROM coverage FINAL) AS c USING chain ORDER BY chain")
	rows, err := Rows[Head](ctx, r, &s)
	if err != nil {
		return nil, err
	}
	now := &Indexed{Heads: rows, Token: token(rows)}
	r.heads.mutex.Lock()
	defer r.heads.mutex.Unlock()
	if last := r.heads.last; last != nil && last.Token == now.Token {
		now = last // so that who read the same knows it
	}
	r.heads.last, r.heads.at = now, began
	return map[struct{}]*Indexed{{}: now}, nil
}

func token(heads []*Head) string {
	token := ""
	for _, head := range heads {
		token += fmt.Sprint(head.Chain, ":", head.Version, ":", head.Written, ":", head.Covered, ":", head.Progress, " ")
	}
	return token
}

// Reading is one response in the making: all of it reads what was indexed at one moment.
//
// It hopes that nothing is written while it reads, which is so but for moments: then all
// there is, is what was indexed, and no statement has to look at blocks. Only when it
// hoped in vain does it read again, and leave out what is beyond the heads.
type Reading struct {
	reader *Reader
	age    time.Duration
	mutex  sync.Mutex
	seen   *Indexed
	busy   bool // rows were being written
	strict bool // what was read has no blocks by which to leave rows out
	failed bool
}

type readingKey struct{}

// Begin begins a response, which is content with heads read less than age ago. What is
// read in the returned context is read for it.
func (r *Reader) Begin(ctx context.Context, age time.Duration) (context.Context, *Reading) {
	reading := &Reading{reader: r, age: age}
	return context.WithValue(ctx, readingKey{}, reading), reading
}

// ReadingOf returns the response that ctx is of, nil for none.
func ReadingOf(ctx context.Context) *Reading {
	reading, _ := ctx.Value(readingKey{}).(*Reading)
	return reading
}

// Indexed is what was indexed when the response began, or now where ctx is of none.
func (r *Reader) Indexed(ctx context.Context) (*Indexed, error) {
	reading := ReadingOf(ctx)
	if reading == nil {
		return r.Now(ctx, 0)
	}
	reading.mutex.Lock()
	defer reading.mutex.Unlock()
	if reading.seen != nil {
		return reading.seen, nil
	}
	seen, err := r.Now(ctx, reading.age)
	if err == nil {
		reading.seen = seen
	}
	return seen, err
}

// Seen is what the response was read at, nil if it has not looked.
func (r *Reading) Seen() *Indexed {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.seen
}

// Fail notes that the response has errors: it is not to be given twice.
func (r *Reading) Fail() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.failed = true
}

// Failed tells whether the response has errors.
func (r *Reading) Failed() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.failed
}

// Again makes the response look anew, and expect that rows are being written.
func (r *Reading) Again() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.seen, r.age, r.busy = nil, 0, true
}

// Busy tells whether rows beyond the heads are left out, because some were being written
// when the response was made before.
func (r *Reading) Busy() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.busy && !r.strict
}

// Quiet notes that the response of ctx reads sums, of which rows that are being written
// cannot be left out: it stands only if none are, from before the sums are read.
func (r *Reader) Quiet(ctx context.Context) error {
	reading := ReadingOf(ctx)
	if reading == nil {
		return nil
	}
	reading.mutex.Lock()
	reading.strict = true
	reading.mutex.Unlock()
	_, err := r.Indexed(ctx)
	return err
}

// View is that of all chains at their heads.
func (r *Reader) View(ctx context.Context) (View, error) {
	indexed, err := r.Indexed(ctx)
	if err != nil {
		return View{}, err
	}
	v := indexed.view()
	reading := ReadingOf(ctx)
	v.quiet = reading != nil && !reading.Busy()
	return v, nil
}

// Stands tells whether what the response has read is what was indexed when it began.
// Blocks are written before all other rows of theirs, so rows that any statement may have
// seen are seen here: of blocks beyond the heads, which only matter if the response
// did not leave them out, and of retracted ones. Below finality there are none.
func (r *Reading) Stands(ctx context.Context) (bool, error) {
	seen, busy := r.Seen(), r.Busy()
	if seen == nil {
		return true, nil
	}
	stand, err := r.reader.stands.Get(ctx, standing{seen, busy})
	return stand[standing{seen, busy}], err
}

// standing is the question whether responses stand that were read at the same heads.
type standing struct {
	seen *Indexed
	busy bool
}

// readStands answers it.
func (r *Reader) readStands(ctx context.Context, questions []standing) (map[standing]bool, error) {
	answers := map[standing]bool{}
	for _, q := range questions {
		changed, err := Count(ctx, r, q.statement())
		if err != nil {
			return nil, err
		}
		answers[q] = changed == 0
	}
	return answers, nil
}

// statement counts the blocks for which it does not. One beyond a head that was taken back, with
// all rows of it, is as if it had never been.
func (q standing) statement() *Statement {
	var s Statement
	s.Add("SELECT count() AS count FROM (SELECT number FROM blocks WHERE 0")
	known, having := make([]uint64, len(q.seen.Heads)), ""
	for i, head := range q.seen.Heads {
		known[i] = head.Chain
		chain := "chain = " + s.Bind("UInt64", head.Chain)
		later := "(version > " + s.Bind("UInt64", head.Version) + " AND number <= " + s.Bind("UInt64", head.Number) + ")"
		if !q.busy {
			later = "(" + later + " OR number > " + s.Bind("UInt64", head.Number) + ")"
		}
		s.Add(" OR (", chain, " AND number > ", s.Bind("UInt64", head.FinalizedNumber), " AND ", later, ")")
		having += " OR (" + chain + " AND max(version) > " + s.Bind("UInt64", head.Written) + ")"
	}
	if !q.busy {
		unknown := " OR chain NOT IN " + s.Bind("Array(UInt64)", known)
		s.Add(unknown)
		having += unknown
	}
	s.Add(" GROUP BY chain, number HAVING argMax(deleted, version) = 0", having, ")")
	return &s
}

// Count reads a statement that counts: one row, whose column is named count.
func Count(ctx context.Context, r *Reader, s *Statement) (uint64, error) {
	rows, err := Rows[struct {
		Count uint64 `ch:"count"`
	}](ctx, r, s)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return rows[0].Count, nil
}
