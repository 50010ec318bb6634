package source

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"assay/contracts"
	"assay/schema/assaypb"
)

const (
	firstSpan = 1_000   // blocks in the first range of history
	maxSpan   = 100_000 // blocks in a range at most
	liveSpan  = 2 * maxBatch
)

// history appends one range of final blocks after base. Ranges grow while the node
// gives them and shrink when it does not.
func (s *Source) history(ctx context.Context, base, final header) error {
	from := base.Number + 1
	to := min(final.Number, base.Number+s.span)
	logs, err := s.node.logsBetween(ctx, from, to)
	if err != nil {
		s.span = max(1, s.span/2)
		return err
	}
	s.span = min(maxSpan, s.span*2)
	headers, groups, err := s.grouped(ctx, logs)
	if err != nil {
		return err
	}
	// What no event carries never changes, so the newest state has it.
	blocks, err := s.assemble(ctx, headers, groups, func(header) contracts.At { return contracts.Latest })
	if err != nil {
		return err
	}
	if err := s.attach(ctx, contracts.Latest, blocks...); err != nil {
		return err
	}
	top, err := s.node.headers(ctx, to, to)
	if err != nil {
		return err
	}
	if to == final.Number && top[0].Hash != final.Hash {
		return fmt.Errorf("reading final block %d: %w", to, errMoved)
	}
	return s.write(ctx, base, blocks, top, final)
}

// grouped returns the blocks that logs are in, and the logs of each.
func (s *Source) grouped(ctx context.Context, logs []types.Log) ([]header, [][]types.Log, error) {
	var hashes []common.Hash
	var groups [][]types.Log
	for i, log := range logs {
		if i == 0 || log.BlockNumber != logs[i-1].BlockNumber {
			hashes, groups = append(hashes, log.BlockHash), append(groups, nil)
		}
		if log.BlockHash != hashes[len(hashes)-1] {
			return nil, nil, fmt.Errorf("reading the logs of block %d: %w: they are of two blocks", log.BlockNumber, errMoved)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], log)
	}
	headers, err := s.node.headersOf(ctx, hashes)
	if err != nil {
		return nil, nil, err
	}
	for i, h := range headers {
		if h.Number != groups[i][0].BlockNumber {
			return nil, nil, fmt.Errorf("reading the logs of block %s: %w: its number is %d", h.Hash, errMoved, h.Number)
		}
	}
	return headers, groups, nil
}

// live appends some blocks above finality, from after base towards head.
func (s *Source) live(ctx context.Context, base, head, final header) error {
	headers, err := s.branch(ctx, base, head)
	if err != nil {
		return err
	}
	groups, err := s.node.logsOf(ctx, headers)
	if err != nil {
		return err
	}
	blocks, err := s.assemble(ctx, headers, groups, func(h header) contracts.At { return contracts.AtHash(h.Hash) })
	if err != nil {
		return err
	}
	for _, block := range blocks {
		if err := s.attach(ctx, contracts.AtHash(common.BytesToHash(block.Hash)), block); err != nil {
			return err
		}
	}
	return s.write(ctx, base, blocks, headers, final)
}

// branch returns the headers that lead from base to head, at most liveSpan of them.
func (s *Source) branch(ctx context.Context, base, head header) ([]header, error) {
	to := min(head.Number, base.Number+liveSpan)
	var headers []header
	var err error
	if to == head.Number {
		headers = []header{head}
		to--
	}
	if to > base.Number {
		var before []header
		if before, err = s.node.headers(ctx, base.Number+1, to); err != nil {
			return nil, err
		}
		headers = append(before, headers...)
	}
	if !linked(base, headers) {
		return nil, fmt.Errorf("reading blocks %d to %d: %w", base.Number+1, head.Number, errMoved)
	}
	return headers, nil
}

// assemble makes the block records of those blocks that hold events.
func (s *Source) assemble(ctx context.Context, headers []header, groups [][]types.Log, at func(header) contracts.At) ([]*assaypb.Block, error) {
	var blocks []*assaypb.Block
	for i, h := range headers {
		events, err := s.decode(ctx, groups[i], at(h))
		if err != nil {
			return nil, fmt.Errorf("reading the events of block %d: %w", h.Number, err)
		}
		if len(events) == 0 {
			continue
		}
		blocks = append(blocks, &assaypb.Block{
			Number: h.Number, Hash: h.Hash.Bytes(), ParentHash: h.Parent.Bytes(), Time: h.Time, Events: events,
		})
	}
	return blocks, nil
}

func (s *Source) decode(ctx context.Context, logs []types.Log, at contracts.At) ([]*assaypb.Event, error) {
	var events []*assaypb.Event
	for _, log := range logs {
		wanted, err := s.wanted(ctx, log, at)
		if err != nil {
			return nil, err
		}
		if !wanted {
			continue
		}
		event, err := s.decoder.Decode(log)
		if err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	return events, nil
}

// attach reads what the events of some blocks do not carry.
func (s *Source) attach(ctx context.Context, at contracts.At, blocks ...*assaypb.Block) error {
	var events []*assaypb.Event
	for _, block := range blocks {
		events = append(events, block.Events...)
	}
	if len(events) == 0 {
		return nil
	}
	if err := s.client.Attach(ctx, at, events); err != nil {
		return fmt.Errorf("reading what the events of blocks %d to %d do not carry: %w",
			blocks[0].Number, blocks[len(blocks)-1].Number, err)
	}
	return nil
}

// wanted says whether a log is ours: of a watched contract, or of a registered
// workerpool. Anybody can emit what looks like a change of policy.
func (s *Source) wanted(ctx context.Context, log types.Log, at contracts.At) (bool, error) {
	for _, address := range s.node.watched {
		if log.Address == address {
			return true, nil
		}
	}
	if s.known[log.Address] {
		return true, nil
	}
	if s.pools == (common.Address{}) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	registered, err := s.client.Registered(ctx, s.pools, log.Address, at)
	if err != nil {
		return false, err
	}
	if registered {
		s.known[log.Address] = true
	}
	return registered, nil
}

// write appends what replaces the trail above base: retractions of the blocks that were
// there, the new blocks, and a mark at the last of the headers that lead to it.
func (s *Source) write(ctx context.Context, base header, blocks []*assaypb.Block, headers []header, final header) error {
	if err := s.retract(ctx, base); err != nil {
		return err
	}
	top := headers[len(headers)-1]
	if final.Number > top.Number { // in history all is final
		final = top
	}
	records := make([]*assaypb.ChainRecord, 0, len(blocks)+1)
	logged, events := map[uint64]bool{}, 0
	for _, block := range blocks {
		records = append(records, &assaypb.ChainRecord{Body: &assaypb.ChainRecord_Block{Block: block}})
		logged[block.Number] = true
		events += len(block.Events)
	}
	if err := s.log.append(ctx, append(records, mark(top, final))...); err != nil {
		return err
	}
	if headers[0].Number != base.Number+1 { // a range of history: the trail starts anew at its end
		s.trail = nil
	}
	for _, h := range headers {
		s.trail = append(s.trail, step{header: h, logged: logged[h.Number]})
	}
	s.trail, s.final = s.trail.prune(final.Number), final
	s.note(func(st *Status) {
		st.Indexed, st.Finalized = top.Number, final.Number
		st.Blocks += uint64(len(blocks))
		st.Events += uint64(events)
	})
	return nil
}

func mark(top, final header) *assaypb.ChainRecord {
	return &assaypb.ChainRecord{Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{
		HeadNumber: top.Number, HeadHash: top.Hash.Bytes(), HeadTime: top.Time,
		FinalizedNumber: final.Number, FinalizedHash: final.Hash.Bytes(),
	}}}
}
