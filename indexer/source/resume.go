package source

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"assay/schema/assaypb"
)

// resume finds, from the end of the log and the node's chain, where to go on, and
// retracts what left the chain while no source was running.
func (s *Source) resume(ctx context.Context) error {
	tail, err := s.log.recover(ctx)
	if err != nil {
		return err
	}
	headers, err := s.recent(ctx, tail)
	if err != nil {
		return err
	}
	if err := tail.agrees(headers[0]); err != nil {
		return err
	}
	trail, gone := tail.meet(headers)
	if err := s.appendRetractions(ctx, gone); err != nil {
		return err
	}
	ledger := ledgerOf(tail.mark, max(s.preset.StartBlock, 1), trail.top().Number)
	if !tail.empty && !tail.markedAt(trail.top()) { // the mark was lost, or is of another branch
		if err := s.log.append(ctx, mark(trail.top(), trail.anchor(), ledger)); err != nil {
			return err
		}
	}
	s.trail, s.final, s.ledger = trail, trail.anchor(), ledger
	s.note(func(st *Status) {
		st.Indexed, st.IndexedTime, st.Finalized, st.Ledger = trail.top().Number, trail.top().Time, trail.anchor().Number, ledger
	})
	s.logger.Info("following the chain", "chain", s.preset.Name, "from", trail.top().Number+1,
		"record", s.log.next, "retracted", len(gone))
	return nil
}

// meet returns the part of the node's chain that the log has completely, which ends with
// the newest point that is canonical, and retractions for blocks that are not, newest
// first.
func (t *tail) meet(headers []header) (met trail, gone []*assaypb.ChainRecord) {
	top, logged := headers[0].Number, map[uint64]bool{}
	for i := len(t.points) - 1; i >= 0; i-- {
		switch p := t.points[i]; {
		case canonical(headers, p):
			top = max(top, p.number)
			logged[p.number] = logged[p.number] || p.block
		case p.block:
			gone = append(gone, retraction(p))
		}
	}
	for _, h := range headers[:top-headers[0].Number+1] {
		met = append(met, step{header: h, logged: logged[h.Number]})
	}
	return met, gone
}

func (t *tail) markedAt(h header) bool {
	return t.mark != nil && common.BytesToHash(t.mark.HeadHash) == h.Hash
}

// recent returns the node's headers from the last block that the log holds as final, or
// from the one before the preset's first, to the highest that the log speaks of.
func (s *Source) recent(ctx context.Context, t *tail) ([]header, error) {
	anchor := max(s.preset.StartBlock, 1) - 1
	if t.mark != nil {
		anchor = max(anchor, t.mark.FinalizedNumber)
	}
	top := anchor
	for _, p := range t.points {
		top = max(top, p.number)
	}
	head, err := s.head(ctx)
	if err != nil {
		return nil, err
	}
	behind := fmt.Errorf("the node is at block %d, the chain log or the preset's first block at %d: waiting for the node", head.Number, top)
	if head.Number < anchor {
		return nil, behind
	}
	full, err := s.headers(ctx, anchor, min(top, head.Number))
	if err != nil {
		return nil, err
	}
	headers := plain(full)
	if !linked(headers[0], headers[1:]) {
		return nil, fmt.Errorf("reading the chain back to block %d: %w", anchor, errMoved)
	}
	if head.Number < top && !t.contradicts(headers) {
		return nil, behind // it lags: what it does not show may well be canonical
	}
	return headers, nil
}

// contradicts says whether the log knows another block where the node has one.
func (t *tail) contradicts(headers []header) bool {
	return slices.ContainsFunc(t.points, func(p point) bool {
		return p.number-headers[0].Number < uint64(len(headers)) && !canonical(headers, p)
	})
}

// canonical says whether a point is on the chain that headers are of.
func canonical(headers []header, p point) bool {
	i := p.number - headers[0].Number // wraps around below the first
	return i < uint64(len(headers)) && headers[i].Hash == p.hash
}

// agrees fails if the node's chain has another block where the log has a final one.
func (t *tail) agrees(anchor header) error {
	if t.mark == nil || t.mark.FinalizedNumber != anchor.Number {
		return nil
	}
	if logged := common.BytesToHash(t.mark.FinalizedHash); logged != anchor.Hash {
		return &ForkError{Number: anchor.Number, Logged: logged, Node: anchor.Hash}
	}
	return nil
}

func retraction(p point) *assaypb.ChainRecord {
	return &assaypb.ChainRecord{Body: &assaypb.ChainRecord_Retraction{
		Retraction: &assaypb.Retraction{Number: p.number, Hash: p.hash.Bytes()},
	}}
}
