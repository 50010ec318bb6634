package analytics

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// viewOf is the block of each chain at which a field reads: the one that its argument
// asOf names, or that of the field it is in, or else the heads. Conditions that name a
// chain leave out the others.
func viewOf(ctx context.Context, r *reader, where []database.Condition) (database.View, error) {
	if asOf := asOfIn(ctx); asOf != nil {
		block, err := blockOf(ctx, r, asOf)
		note(ctx, model.Key{Chain: asOf.Chain, Block: block})
		return database.At(asOf.Chain, block), err
	}
	v, err := r.View(ctx)
	if err != nil {
		return database.View{}, err
	}
	for _, c := range where {
		if chain, ok := c.Value.(uint64); ok && c.SQL == columnIs(chainColumn.sql, "", nil).SQL {
			v = v.Only(chain)
		}
	}
	return v, nil
}

// viewBelow is viewOf for what is below a row, which is of one chain.
func viewBelow(ctx context.Context, r *reader, parent model.Key) (database.View, error) {
	if asOf := asOfIn(ctx); asOf != nil && asOf.Chain != parent.Chain {
		return database.View{}, refuse("asOf names a block of chain %d, and this is of chain %d", asOf.Chain, parent.Chain)
	}
	return viewOf(ctx, r, nil)
}

// pastKey is of the earlier blocks that a response was read at.
type pastKey struct{}

// note keeps in mind that the response was read at an earlier block.
func note(ctx context.Context, block model.Key) {
	if past, ok := ctx.Value(pastKey{}).(*sync.Map); ok {
		past.Store(block, nil)
	}
}

// pastBlocks says what is known of the earlier blocks that a response was read at.
func pastBlocks(ctx context.Context, r *reader, past *sync.Map, heads []*database.Head) []*model.PastBlock {
	var keys []model.Key
	past.Range(func(key, _ any) bool {
		if key, ok := key.(model.Key); ok {
			keys = append(keys, key)
		}
		return true
	})
	if len(keys) == 0 {
		return nil
	}
	slices.SortFunc(keys, func(a, b model.Key) int { return cmp.Or(cmp.Compare(a.Chain, b.Chain), cmp.Compare(a.Block, b.Block)) })
	var s database.Statement
	chains, numbers := make([]uint64, len(keys)), make([]uint64, len(keys))
	for i, key := range keys {
		chains[i], numbers[i] = key.Chain, key.Block
	}
	s.Add("SELECT chain, number, hash FROM blocks FINAL WHERE (chain, number) IN arrayZip(", s.Bind("Array(UInt64)", chains), ", ", s.Bind("Array(UInt64)", numbers), ")")
	rows, err := database.Rows[struct {
		Chain  uint64 `ch:"chain"`
		Number uint64 `ch:"number"`
		Hash   string `ch:"hash"`
	}](ctx, r, &s)
	hashes := make(map[model.Key]string, len(rows))
	for _, row := range rows {
		hashes[model.Key{Chain: row.Chain, Block: row.Number}] = row.Hash
	}
	if err != nil {
		hashes = nil // the answer stands; it says that the hashes are not known
	}
	blocks := make([]*model.PastBlock, len(keys))
	for i, key := range keys {
		blocks[i] = model.PastBlockOf(key, hashes[key], heads)
	}
	return blocks
}

// asOfIn is the argument asOf of a field, or of the nearest field that it is in and that
// has one.
func asOfIn(ctx context.Context) *model.AsOf {
	for field := graphql.GetFieldContext(ctx); field != nil; field = field.Parent {
		if asOf, ok := field.Args["asOf"].(*model.AsOf); ok && asOf != nil {
			return asOf
		}
	}
	return nil
}

// blockOf is the number of the block that asOf names. It must be indexed.
func blockOf(ctx context.Context, r *reader, asOf *model.AsOf) (uint64, error) {
	indexed, err := r.Indexed(ctx) // before the block, which may be taken back
	if err != nil {
		return 0, err
	}
	block, err := numberOf(ctx, r, asOf)
	if err != nil {
		return 0, err
	}
	for _, head := range indexed.Heads {
		if head.Chain == asOf.Chain && block <= head.Number {
			return block, nil
		}
		if head.Chain == asOf.Chain {
			return 0, refuse("block %d of chain %d is not indexed: the newest one is %d", block, asOf.Chain, head.Number)
		}
	}
	return 0, refuse("chain %d is not indexed", asOf.Chain)
}

// numberOf looks up the block of a hash, once for the whole response.
func numberOf(ctx context.Context, r *reader, asOf *model.AsOf) (uint64, error) {
	switch {
	case asOf.Block != nil && asOf.Hash == nil:
		return *asOf.Block, nil
	case asOf.Block != nil || asOf.Hash == nil:
		return 0, refuse("asOf needs either the block's number or its hash")
	}
	number, err := load(ctx, "block of a hash", model.Key{Chain: asOf.Chain, ID: *asOf.Hash}, func(ctx context.Context, keys []model.Key) (map[model.Key]*uint64, error) {
		return blocksOf(ctx, r, keys)
	})
	if err == nil && number == nil {
		return 0, refuse("no block of chain %d with events of the contracts has the hash %s: name the block by its number", asOf.Chain, *asOf.Hash)
	}
	if err != nil {
		return 0, err
	}
	return *number, nil
}

// blocksOf reads the numbers of blocks by their hashes.
func blocksOf(ctx context.Context, r *reader, keys []model.Key) (map[model.Key]*uint64, error) {
	var s database.Statement
	s.Add("SELECT chain, hash, number FROM blocks FINAL WHERE (chain, hash) IN ", pairs(&s, keys))
	rows, err := database.Rows[struct {
		Chain  uint64 `ch:"chain"`
		Hash   string `ch:"hash"`
		Number uint64 `ch:"number"`
	}](ctx, r, &s)
	numbers := make(map[model.Key]*uint64, len(rows))
	for _, row := range rows {
		numbers[model.Key{Chain: row.Chain, ID: row.Hash}] = &row.Number
	}
	return numbers, err
}

// pairs binds keys as an array of (chain, id).
func pairs(s *database.Statement, keys []model.Key) string {
	chains := make([]uint64, len(keys))
	ids := make([]string, len(keys))
	for i, key := range keys {
		chains[i], ids[i] = key.Chain, key.ID
	}
	return "arrayZip(" + s.Bind("Array(UInt64)", chains) + ", " + s.Bind("Array(String)", ids) + ")"
}
