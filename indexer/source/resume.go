package source

import (
	"context"
	"fmt"

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
	canonical := func(p point) bool {
		i := p.number - headers[0].Number
		return p.number >= headers[0].Number && i < uint64(len(headers)) && headers[i].Hash == p.hash
	}
	top, logged := headers[0].Number, map[uint64]bool{}
	var gone []*assaypb.ChainRecord
	for i := len(tail.points) - 1; i >= 0; i-- {
		switch p := tail.points[i]; {
		case canonical(p):
			top = max(top, p.number)
			logged[p.number] = logged[p.number] || p.block
		case p.block:
			gone = append(gone, retraction(p))
		}
	}
	if err := s.appendRetractions(ctx, gone); err != nil {
		return err
	}
	s.trail = nil
	for _, h := range headers[:top-headers[0].Number+1] {
		s.trail = append(s.trail, step{header: h, logged: logged[h.Number]})
	}
	s.final = headers[0]
	s.note(func(st *Status) { st.Indexed, st.Finalized = top, headers[0].Number })
	s.logger.Info("following the chain", "chain", s.preset.Name, "from", top+1, "record", s.log.next, "retracted", len(gone))
	return nil
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
	head, err := s.node.head(ctx)
	if err != nil {
		return nil, err
	}
	if head.Number < top { // it lags: what it does not show may well be canonical
		return nil, fmt.Errorf("the node is at block %d, the chain log or the preset's first block at %d: waiting for the node", head.Number, top)
	}
	headers, err := s.node.headers(ctx, anchor, top)
	if err != nil {
		return nil, err
	}
	if !linked(headers[0], headers[1:]) {
		return nil, fmt.Errorf("reading the chain back to block %d: %w", anchor, errMoved)
	}
	return headers, nil
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
