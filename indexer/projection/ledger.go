package projection

import (
	"fmt"
	"math/big"

	"assay/consensus/poco"
	"assay/consensus/poco/ledger"
	"assay/schema/assaypb"
)

// settledTask is how many lines a task's settlement has.
type settledTask struct {
	task  poco.Hash
	lines int
}

// postingRows adds the postings of a block, and returns the log indices of the events that
// gave them.
func (p *Projection) postingRows(rows *Rows, block *assaypb.Block, events []poco.Event, txs []string, causes []cause, version uint64) ([]uint32, error) {
	var indices []uint32
	hub := p.state.Rules().Hub
	for i, event := range events {
		message, postings := block.Events[i], ledger.Postings(event, hub)
		if len(postings) == 0 {
			continue
		}
		if postings[0].Amount.Abs.BitLen() > 255 {
			return nil, fmt.Errorf("event %d moves %s nRLC, more than the ledger's 2^255-1", message.LogIndex, &postings[0].Amount.Abs)
		}
		indices = append(indices, message.LogIndex)
		row := Posting{
			Chain: p.chain, BlockNumber: block.Number, LogIndex: message.LogIndex, TxHash: txs[i],
			Time: at(block.Time), Event: eventName(event), Task: optionalHash(causes[i].task), Deal: optionalHash(causes[i].deal),
			Version: version,
		}
		for j, posting := range postings {
			row.Idx, row.Account, row.Bucket, row.Amount = uint32(j), p.spellings.of(posting.Account), string(posting.Bucket), posting.Amount.Big()
			rows.Postings = append(rows.Postings, row)
		}
	}
	return indices, nil
}

// eventName is the contracts' name of an event that gives postings.
func eventName(event poco.Event) string {
	switch event.(type) {
	case poco.Transfer:
		return "Transfer"
	case poco.Lock:
		return "Lock"
	case poco.Unlock:
		return "Unlock"
	default:
		return "Seize"
	}
}

// settlementRows adds the settlements of a block, and returns which these are.
func (p *Projection) settlementRows(rows *Rows, block *assaypb.Block, settlements []ledger.Settlement, version uint64) []settledTask {
	var settled []settledTask
	for _, s := range settlements {
		settled = append(settled, settledTask{s.Task, len(s.Lines)})
		rows.Settlements = append(rows.Settlements, p.settlementRow(block, s, version))
		for i, line := range s.Lines {
			rows.Lines = append(rows.Lines, SettlementLine{
				Chain: p.chain, Task: hash(s.Task), Idx: uint32(i), BlockNumber: block.Number, LogIndex: block.Events[line.Event].LogIndex,
				Account: address(line.Account), Role: string(line.Role), Kind: string(line.Kind), Amount: amount(line.Amount),
				Stake: line.Stake.Big(), Locked: line.Locked.Big(), Weight: amount(line.Weight), Version: version,
			})
		}
	}
	return settled
}

func (p *Projection) settlementRow(block *assaypb.Block, s ledger.Settlement, version uint64) Settlement {
	end, n := block.Events[s.Last], s.Numbers
	return Settlement{
		Chain: p.chain, Task: hash(s.Task), Deal: hash(s.Deal), Workerpool: address(p.pool(s.Deal)), Call: string(s.Call),
		Price: amount(s.Price), AppPrice: amount(n.App), DatasetPrice: amount(n.Dataset), WorkerpoolPrice: amount(n.Workerpool),
		Seized: amount(n.Seized), Reward: amount(n.Reward), SchedulerRewardRatio: amount(n.Ratio), WorkersReward: amount(n.WorkersReward),
		Weights: amount(n.Weights), Rounding: amount(n.Rounding), Remainder: amount(n.Remainder),
		KittyDraw: amount(s.KittyDraw), KittyFill: amount(s.KittyFill), Exact: s.Exact,
		BlockNumber: block.Number, LogIndex: end.LogIndex, TxHash: hexOf(end.TxHash), Time: at(block.Time), Version: version,
	}
}

// ledgerTombstones take back the postings and settlements of a block.
func (p *Projection) ledgerTombstones(rows *Rows, past past, version uint64) {
	for _, index := range past.postings {
		for j := range uint32(2) {
			rows.Postings = append(rows.Postings, Posting{
				Chain: p.chain, BlockNumber: past.number, LogIndex: index, Idx: j, Time: at(0), Amount: new(big.Int), Version: version, Deleted: 1,
			})
		}
	}
	gone := &assaypb.Block{Events: []*assaypb.Event{{}}} // where nothing is written
	for _, s := range past.settled {
		row := p.settlementRow(gone, ledger.Settlement{Task: s.task}, version)
		row.Deleted = 1
		rows.Settlements = append(rows.Settlements, row)
		for i := range s.lines {
			rows.Lines = append(rows.Lines, SettlementLine{
				Chain: p.chain, Task: hash(s.task), Idx: uint32(i), Amount: new(big.Int), Stake: new(big.Int), Locked: new(big.Int),
				Weight: new(big.Int), Version: version, Deleted: 1,
			})
		}
	}
}
