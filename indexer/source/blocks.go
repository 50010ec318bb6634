package source

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"assay/contracts"
	"assay/schema/assaypb"
)

const liveSpan = 2 * maxBatch

// piece is a range of history, fetched and decoded.
type piece struct {
	first  sealed // header of its first block, if all its headers were asked for
	blocks []*assaypb.Block
	top    sealed
	level  assaypb.Verification
}

// outcome is a piece that is being fetched.
type outcome struct {
	piece *piece
	err   error
}

// history appends the final blocks after base. Ranges are fetched by several workers and
// appended in order; a worker that is ahead waits, which bounds what is held in memory.
func (s *Source) history(ctx context.Context, base, final header) error {
	ctx, cancel := context.WithCancel(ctx)
	var fetching sync.WaitGroup
	defer fetching.Wait()
	defer cancel()
	line := make(chan chan outcome, s.workers-1)
	fetching.Go(func() {
		defer close(line)
		for next := base.Number + 1; next <= final.Number && ctx.Err() == nil; {
			from, to := next, min(final.Number, next+s.stride()-1)
			slot := make(chan outcome, 1)
			select {
			case line <- slot:
			case <-ctx.Done():
				return
			}
			fetching.Go(func() {
				p, err := s.fetch(ctx, from, to)
				slot <- outcome{p, err}
			})
			next = to + 1
		}
	})
	for slot := range line {
		out := <-slot
		if out.err != nil {
			return out.err
		}
		if err := s.settle(ctx, base, out.piece, final); err != nil {
			return err
		}
		base = out.piece.top.header
	}
	return ctx.Err()
}

// settle appends a piece of history if it goes on from base.
func (s *Source) settle(ctx context.Context, base header, p *piece, final header) error {
	if p.top.Number == final.Number && p.top.Hash != final.Hash {
		return fmt.Errorf("reading final block %d: %w", final.Number, errMoved)
	}
	if p.first.Number == base.Number+1 && p.first.Parent != base.Hash {
		return doubt(p.first.Number, "its parent is %s, and block %d is %s", p.first.Parent, base.Number, base.Hash)
	}
	return s.write(ctx, base, p.blocks, []header{p.top.header}, final, p.level)
}

// provenStride is how many blocks are at most in a range of which every header is asked for.
const provenStride = 4 * maxBatch

// stride is how many blocks are in the next range.
func (s *Source) stride() uint64 {
	if s.verify.past() > assaypb.Verification_VERIFICATION_FETCHED {
		return s.span.Load()
	}
	return s.nodes.span()
}

// served makes the next range of which every header is asked for larger or smaller.
func (s *Source) served(held []content) {
	logs := 0
	for _, c := range held {
		logs += c.read
	}
	for {
		span := s.span.Load()
		if s.span.CompareAndSwap(span, nextSpan(span, uint64(len(held)), logs, provenStride)) {
			return
		}
	}
}

// fetch reads a range of final blocks.
func (s *Source) fetch(ctx context.Context, from, to uint64) (p *piece, err error) {
	p = &piece{level: s.verify.past()}
	var headers []sealed
	var held []content
	if p.level > assaypb.Verification_VERIFICATION_FETCHED {
		headers, held, err = s.fetchProven(ctx, from, to, p.level)
		if err == nil {
			p.first, p.top = headers[0], headers[len(headers)-1]
		}
	} else {
		var logs []types.Log
		if logs, p.top, err = s.ranged(ctx, from, to); err == nil {
			headers, held, err = s.grouped(ctx, logs)
		}
	}
	if err != nil {
		return nil, err
	}
	// What no event carries never changes, so the newest state has it.
	entries, err := s.assemble(ctx, headers, held, func(header) contracts.At { return contracts.Latest })
	if err != nil {
		return nil, err
	}
	p.blocks = blocksOf(entries)
	return p, s.complete(ctx, entries, func(ctx context.Context) error { return s.attach(ctx, contracts.Bundled, p.blocks...) })
}

// fetchProven reads all headers of a range, and proves the logs by them.
func (s *Source) fetchProven(ctx context.Context, from, to uint64, level assaypb.Verification) ([]sealed, []content, error) {
	headers, err := s.headers(ctx, from, to)
	if err != nil {
		return nil, nil, err
	}
	for i := 1; i < len(headers); i++ {
		if headers[i].Parent != headers[i-1].Hash {
			return nil, nil, doubt(headers[i].Number, "its parent is %s, and block %d is %s", headers[i].Parent, headers[i-1].Number, headers[i-1].Hash)
		}
	}
	held, err := s.proven(ctx, headers, level)
	if err == nil {
		s.served(held)
	}
	return headers, held, err
}

// ranged asks for the logs of a range, in as many pieces as the endpoints want.
func (s *Source) ranged(ctx context.Context, from, to uint64) (logs []types.Log, top sealed, err error) {
	for from <= to {
		var size uint64
		some, err := ask(ctx, s.nodes, func(ctx context.Context, n *node) ([]types.Log, error) {
			n.count(func(h *health) { size = min(h.span, to-from+1) })
			some, last, err := n.logsBetween(ctx, from, from+size-1)
			switch {
			case err == nil:
				top = *last
				n.count(func(h *health) { h.served(size, len(some)) })
			case size > 1 && tooMuch(err):
				n.count(func(h *health) { h.refused(size) })
				err = &narrowError{err}
			}
			return some, err
		})
		if errors.As(err, new(*narrowError)) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return nil, top, err
		}
		if logs == nil {
			logs = some
		} else {
			logs = append(logs, some...)
		}
		from += size
	}
	return logs, top, nil
}

// headers asks for the headers of a range.
func (s *Source) headers(ctx context.Context, from, to uint64) ([]sealed, error) {
	var all []sealed
	for ; from <= to; from += maxBatch {
		some, err := ask(ctx, s.nodes, func(ctx context.Context, n *node) ([]sealed, error) {
			return n.headers(ctx, from, min(to, from+maxBatch-1))
		})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// grouped returns the blocks that logs are in, and the logs of each.
func (s *Source) grouped(ctx context.Context, logs []types.Log) ([]sealed, []content, error) {
	var hashes []common.Hash
	var groups [][]types.Log
	for i, log := range logs {
		if i == 0 || log.BlockNumber != logs[i-1].BlockNumber {
			hashes, groups = append(hashes, log.BlockHash), append(groups, nil)
		}
		if log.BlockHash != hashes[len(hashes)-1] {
			return nil, nil, doubt(log.BlockNumber, "its logs are of two blocks, %s and %s", hashes[len(hashes)-1], log.BlockHash)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], log)
	}
	if len(hashes) == 0 {
		return nil, nil, nil
	}
	headers, err := askEach(ctx, s.nodes, hashes, func(ctx context.Context, n *node, part []common.Hash) ([]sealed, error) {
		return n.headersOf(ctx, part)
	})
	if errors.Is(err, errMoved) {
		return nil, nil, doubt(groups[position(err, hashes)][0].BlockNumber, "no node has the block that its logs are said to be of: %v", err)
	}
	if err != nil {
		return nil, nil, err
	}
	for i, h := range headers {
		if h.Number != groups[i][0].BlockNumber {
			return nil, nil, doubt(groups[i][0].BlockNumber, "its logs are of %s, which is block %d", h.Hash, h.Number)
		}
	}
	return headers, contents(groups), nil
}

// position is which of the hashes an error says to be of no block.
func position(err error, hashes []common.Hash) int {
	var absent *absentBlock
	if errors.As(err, &absent) {
		for i, hash := range hashes {
			if absent.asked == hash {
				return i
			}
		}
	}
	return 0
}

// live appends some blocks above finality, from after base towards head.
func (s *Source) live(ctx context.Context, base header, head sealed, final header) error {
	headers, err := s.branch(ctx, base, head)
	if err != nil {
		return err
	}
	held, level, err := s.liveContents(ctx, headers)
	if err != nil {
		return err
	}
	entries, err := s.assemble(ctx, headers, held, func(h header) contracts.At { return contracts.AtHash(h.Hash) })
	if err != nil {
		return err
	}
	blocks := blocksOf(entries)
	if err := s.complete(ctx, entries, func(ctx context.Context) error { return s.attachEach(ctx, blocks) }); err != nil {
		return err
	}
	return s.write(ctx, base, blocks, plain(headers), final, level)
}

func plain(headers []sealed) []header {
	out := make([]header, len(headers))
	for i, h := range headers {
		out[i] = h.header
	}
	return out
}

// liveContents returns what new blocks hold, asked for by block, and what proves it.
func (s *Source) liveContents(ctx context.Context, headers []sealed) ([]content, assaypb.Verification, error) {
	level := s.verify.present()
	if level == assaypb.Verification_VERIFICATION_FETCHED {
		groups, err := askEach(ctx, s.nodes, plain(headers), logsOf)
		return contents(groups), level, err
	}
	if s.verify == VerifyLive && s.noReceipts.Load() {
		level = assaypb.Verification_VERIFICATION_BLOOM
	}
	held, err := s.proven(ctx, headers, level)
	if errors.As(err, new(*ReceiptsError)) && s.verify == VerifyLive {
		s.doWithoutReceipts(err)
		level = assaypb.Verification_VERIFICATION_BLOOM
		held, err = s.proven(ctx, headers, level)
	}
	return held, level, err
}

// doWithoutReceipts notes that no endpoint serves receipts by block.
func (s *Source) doWithoutReceipts(err error) {
	if !s.noReceipts.Swap(true) {
		s.logger.Warn("no endpoint serves receipts by block: by default new blocks are verified by their bloom filters only, and what gas a transaction used is not verified",
			"chain", s.preset.Name, "error", err)
	}
}

// branch returns the headers that lead from base to head, at most liveSpan of them.
func (s *Source) branch(ctx context.Context, base header, head sealed) ([]sealed, error) {
	to := min(head.Number, base.Number+liveSpan)
	var headers []sealed
	var err error
	if to == head.Number {
		headers = []sealed{head}
		to--
	}
	if to > base.Number {
		var before []sealed
		if before, err = s.headers(ctx, base.Number+1, to); err != nil {
			return nil, err
		}
		headers = append(before, headers...)
	}
	if !linked(base, plain(headers)) {
		return nil, fmt.Errorf("reading blocks %d to %d: %w", base.Number+1, head.Number, errMoved)
	}
	return headers, nil
}

// assemble makes the block records of those blocks that hold events.
func (s *Source) assemble(ctx context.Context, headers []sealed, held []content, at func(header) contracts.At) ([]entry, error) {
	var entries []entry
	for i, h := range headers {
		events, err := s.decode(ctx, held[i].logs, at(h.header))
		if err != nil {
			return nil, fmt.Errorf("reading the events of block %d: %w", h.Number, err)
		}
		if len(events) == 0 {
			continue
		}
		entries = append(entries, entry{header: h, content: held[i], block: &assaypb.Block{
			Number: h.Number, Hash: h.Hash.Bytes(), ParentHash: h.Parent.Bytes(), Time: h.Time, Events: events,
		}})
	}
	return entries, nil
}

func blocksOf(entries []entry) []*assaypb.Block {
	blocks := make([]*assaypb.Block, len(entries))
	for i, e := range entries {
		blocks[i] = e.block
	}
	return blocks
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

// attachEach reads what the events of new blocks do not carry from their own state.
func (s *Source) attachEach(ctx context.Context, blocks []*assaypb.Block) error {
	for _, block := range blocks {
		if err := s.attach(ctx, contracts.AtHash(common.BytesToHash(block.Hash)), block); err != nil {
			return err
		}
	}
	return nil
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
	_, err := ask(ctx, s.nodes, func(ctx context.Context, n *node) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return true, n.client.Attach(ctx, at, events)
	})
	if err != nil {
		return fmt.Errorf("reading what the events of blocks %d to %d do not carry: %w",
			blocks[0].Number, blocks[len(blocks)-1].Number, err)
	}
	return nil
}

// wanted says whether a log is ours: of a watched contract, of a registered workerpool, or
// of what says that it is a whitelist. Anybody can emit what looks like a change of policy;
// who is a whitelist the fold knows, from the registry's own events.
func (s *Source) wanted(ctx context.Context, log types.Log, at contracts.At) (bool, error) {
	if s.watches[log.Address] {
		return true, nil
	}
	if len(log.Topics) == 0 || log.Topics[0] != contracts.PolicyUpdateTopic {
		return len(log.Topics) > 0 && s.roaming[log.Topics[0]] != (common.Address{}), nil
	}
	if s.pools == (common.Address{}) {
		return false, nil
	}
	s.mu.Lock()
	known := s.known[log.Address]
	s.mu.Unlock()
	if known {
		return true, nil
	}
	registered, err := ask(ctx, s.nodes, func(ctx context.Context, n *node) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return n.client.Registered(ctx, s.pools, log.Address, at)
	})
	if err == nil && registered {
		s.mu.Lock()
		s.known[log.Address] = true
		s.mu.Unlock()
	}
	return registered, err
}

// write appends what replaces the trail above base: retractions of the blocks that were
// there, the new blocks, and a mark at the last of the headers that lead to it.
func (s *Source) write(ctx context.Context, base header, blocks []*assaypb.Block, headers []header, final header, level assaypb.Verification) error {
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
	ledger := s.ledger.cover(base.Number+1, top.Number, level)
	if err := s.log.append(ctx, append(records, mark(top, final, ledger))...); err != nil {
		return err
	}
	s.ledger = ledger
	if headers[0].Number != base.Number+1 { // a range of history: the trail starts anew at its end
		s.trail = nil
	}
	for _, h := range headers {
		s.trail = append(s.trail, step{header: h, logged: logged[h.Number]})
	}
	s.trail, s.final = s.trail.prune(final.Number), final
	s.note(func(st *Status) {
		st.Indexed, st.IndexedTime, st.Finalized, st.Ledger = top.Number, top.Time, final.Number, ledger
		st.Blocks += uint64(len(blocks))
		st.Events += uint64(events)
	})
	return nil
}

func mark(top, final header, ledger Ledger) *assaypb.ChainRecord {
	return &assaypb.ChainRecord{Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{
		HeadNumber: top.Number, HeadHash: top.Hash.Bytes(), HeadTime: top.Time,
		FinalizedNumber: final.Number, FinalizedHash: final.Hash.Bytes(), Ledger: ledger,
	}}}
}
