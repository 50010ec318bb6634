package subgraph_test

import (
	"math/rand"
	"testing"

	"assay/consensus/poco"
	"assay/indexer/internal/market"
)

// TestWhatEndedIsForgotten bounds memory: once all blocks are final, there are notes of the
// tasks that run, their deals and contributions, and of no others.
func TestWhatEndedIsForgotten(t *testing.T) {
	random := rand.New(rand.NewSource(8))
	m, log := market.New(random.Intn), &market.Log{}
	p := &player{Market: m, random: random}
	for range 300 {
		log.Fork(m, random.Intn(4))
		log.Block(p.grow(12))
		log.Mark(m, uint64(random.Intn(9)))
	}
	log.Mark(m, 0)
	d := newDriver()
	for _, record := range log.Records {
		d.apply(t, record)
	}
	runs := func(id poco.Hash) bool {
		task, ok := m.State.Task(id)
		return ok && (task.Status == poco.TaskActive || task.Status == poco.TaskRevealing)
	}
	deals, tasks, contributions := d.fold.Kept()
	for _, id := range append(tasks, contributions...) {
		if !runs(id) {
			t.Errorf("something is noted of task %s, which has ended", id)
		}
	}
	open := 0
	for _, id := range p.deals() {
		deal, _ := m.State.Deal(id)
		if p.ended(id) < deal.BotSize {
			open++
		}
	}
	if len(deals) != open {
		t.Errorf("%d deals are noted, %d have tasks left", len(deals), open)
	}
	if all := len(p.deals()); open == all || len(tasks) == 0 {
		t.Errorf("the test shows nothing: %d of %d deals are open, %d tasks run", open, all, len(tasks))
	}
}

// deals lists all deals of the canonical chain.
func (p *player) deals() []poco.Hash {
	var ids []poco.Hash
	for _, block := range p.Blocks {
		for _, event := range block.Events {
			if matched := event.GetOrdersMatched(); matched != nil {
				ids = append(ids, poco.Hash(matched.Deal))
			}
		}
	}
	return ids
}

// ended counts the tasks of a deal that have ended.
func (p *player) ended(id poco.Hash) (n uint64) {
	deal, _ := p.State.Deal(id)
	first := deal.BotFirst
	if deal.Boost {
		first = 0
	}
	for i := range deal.BotSize {
		index := new(poco.Amount).SetUint64(first + i)
		if task, ok := p.State.Task(poco.TaskID(id, index)); ok && task.Status >= poco.TaskCompleted {
			n++
		}
	}
	return n
}
