package subgraph

import (
	"context"
	"errors"
	"strconv"
	"time"

	"assay/graphql/internal/database"
)

// errEmpty is of a chain that nothing is known of yet.
var errEmpty = errors.New("the chain is not indexed yet")

// at is the block that a root is read at, and what _meta says of it.
type at struct {
	moment
	hash string
	time *time.Time
}

// locate finds the block that a root asks for (graph-node, locate_blocks).
func (s *server) locate(ctx context.Context, b block) (at, error) {
	head, quiet, err := s.head(ctx)
	if err != nil {
		return at{}, err
	}
	latest := at{moment{head.Number, quiet, head.Written}, head.Hash, &head.Time}
	switch {
	case b.number != nil && *b.number > head.Number:
		return at{}, notYet("block.number", s.Deployment, head.Number, *b.number)
	case b.number != nil:
		return at{moment: moment{*b.number, quiet && *b.number == head.Number, head.Written}}, nil
	case b.least != nil && *b.least > head.Number:
		return at{}, notYet("block.number_gte", s.Deployment, head.Number, *b.least)
	case b.hash != "" && b.hash != head.Hash:
		return s.locateHash(ctx, b.hash, head)
	}
	return latest, nil
}

// head is the chain's, and whether the response may hope that nothing is written while
// it reads.
func (s *server) head(ctx context.Context) (*database.Head, bool, error) {
	indexed, err := s.reader.Indexed(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, head := range indexed.Heads {
		if head.Chain == s.Chain {
			return head, !database.ReadingOf(ctx).Busy(), nil
		}
	}
	return nil, false, errEmpty
}

// blockRow is a row of blocks, which knows those that hold events of the marketplace.
type blockRow struct {
	Number uint64    `ch:"number"`
	Hash   string    `ch:"hash"`
	Parent string    `ch:"parent_hash"`
	Time   time.Time `ch:"time"`
}

func (s *server) blocks(ctx context.Context, condition, kind string, value any) ([]*blockRow, error) {
	var st database.Statement
	st.Add("SELECT ", database.Selection[blockRow](), " FROM blocks FINAL WHERE chain = ", st.Bind("UInt64", s.Chain), " AND ", condition, " = ", st.Bind(kind, value))
	return database.Rows[blockRow](ctx, s.reader, &st)
}

func (s *server) locateHash(ctx context.Context, hash string, head *database.Head) (at, error) {
	rows, err := s.blocks(ctx, "hash", "String", hash)
	if err != nil {
		return at{}, err
	}
	if len(rows) == 0 || rows[0].Number > head.Number {
		return at{}, undecodable("block.hash", "no block with that hash found")
	}
	return at{moment{block: rows[0].Number, written: head.Written}, hash, &rows[0].Time}, nil
}

// meta finds what _meta says of a block: its hash, time and parent only where the client
// did not ask for a number, as with graph-node.
func (s *server) meta(ctx context.Context, w *introspector, root *selection, where at) error {
	var parent *string
	if where.hash != "" && w.asks(root, "block", "parentHash") {
		rows, err := s.blocks(ctx, "number", "UInt64", where.block)
		if err != nil {
			return err
		}
		if len(rows) > 0 && rows[0].Hash == where.hash {
			parent = &rows[0].Parent
		}
	}
	w.object(root.within, root.other[0].sets(), func(g group, _ map[string]any) any {
		switch g.fields[0].Name {
		case "deployment":
			return s.Deployment
		case "hasIndexingErrors":
			return false
		}
		return where.fields(parent)
	})
	return nil
}

// fields are those of _Block_.
func (a at) fields(parent *string) func(group, map[string]any) any {
	return func(g group, _ map[string]any) any {
		switch g.fields[0].Name {
		case "number":
			return number(strconv.FormatUint(a.block, 10))
		case "hash":
			if a.hash != "" {
				return a.hash
			}
		case "timestamp":
			if a.time != nil {
				return number(strconv.FormatInt(a.time.Unix(), 10))
			}
		case "parentHash":
			return parent
		}
		return nil
	}
}

// asks tells whether a field below a field of the root is selected.
func (w *introspector) asks(root *selection, outer, inner string) bool {
	for _, g := range w.collect(root.within, root.other[0].sets()...) {
		if g.fields[0].Name != outer {
			continue
		}
		for _, below := range w.collect(w.schema.Types["_Block_"], g.sets()...) {
			if below.fields[0].Name == inner {
				return true
			}
		}
	}
	return false
}
