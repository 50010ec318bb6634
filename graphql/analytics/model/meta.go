package model

import (
	"slices"

	"assay/graphql/internal/database"
)

// MetaOf says how far chains are indexed.
func MetaOf(heads []*database.Head) *Meta {
	var m Meta
	for _, head := range heads {
		chain := ChainMeta{
			Chain: head.Chain, HeadNumber: head.Number, HeadHash: head.Hash, HeadTime: head.Time,
			FinalizedNumber: head.FinalizedNumber, FinalizedHash: given(head.FinalizedHash), Coverage: coverageOf(head),
		}
		chain.Verification = weakest(chain.Coverage)
		m.Chains = append(m.Chains, &chain)
	}
	return &m
}

// PastBlock is an earlier block that an answer was read at.
type PastBlock struct {
	Chain        uint64  `json:"chain"`
	Number       uint64  `json:"number"`
	Hash         *string `json:"hash"`         // nil: the block has no events of the contracts
	Final        bool    `json:"final"`        // whether it cannot vanish in a reorg any more
	Verification *string `json:"verification"` // as Coverage.verification, of what is indexed to the block; nil: nothing is known
}

// PastBlockOf says what is known of an earlier block. No hash is empty.
func PastBlockOf(block Key, hash string, heads []*database.Head) *PastBlock {
	p := &PastBlock{Chain: block.Chain, Number: block.Block, Hash: given(hash)}
	for _, head := range heads {
		if head.Chain != block.Chain {
			continue
		}
		p.Final = block.Block <= head.FinalizedNumber
		before := slices.DeleteFunc(coverageOf(head), func(c *Coverage) bool { return c.FromBlock > block.Block })
		p.Verification = weakest(before)
	}
	return p
}

func coverageOf(head *database.Head) []*Coverage {
	ranges := make([]*Coverage, len(head.From))
	for i := range ranges {
		ranges[i] = &Coverage{
			FromBlock: head.From[i], ToBlock: head.To[i], Verification: head.Verification[i], Failure: given(head.Failure[i]),
		}
	}
	return ranges
}

// verifications are the levels, the weakest first.
var verifications = []string{"FAILED", "FETCHED", "BLOOM", "RECEIPTS"}

func weakest(ranges []*Coverage) *string {
	if len(ranges) == 0 {
		return nil
	}
	least := slices.MinFunc(ranges, func(a, b *Coverage) int {
		return slices.Index(verifications, a.Verification) - slices.Index(verifications, b.Verification)
	})
	return &least.Verification
}

func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
