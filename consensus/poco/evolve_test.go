package poco_test

import (
	"errors"
	"testing"

	"assay/consensus/poco"
)

// TestABrokenHistoryIsNoticed plays a sound history and then an event that cannot follow.
func TestABrokenHistoryIsNoticed(t *testing.T) {
	type situation struct {
		*world
		deal, active, revealing poco.Hash
	}
	hash := func(s *situation) poco.Hash { return poco.ResultHash(s.revealing, digestOf("x")) }
	for name, test := range map[string]struct {
		event func(*situation) poco.Event
		want  error
	}{
		"more than there is": {func(s *situation) poco.Event {
			return poco.Transfer{From: s.who("w1"), To: s.who("w2"), Value: amount(1e18)}
		}, poco.ErrMoney},
		"from nobody": {func(s *situation) poco.Event {
			return poco.Transfer{From: s.who("ghost"), To: s.who("w2"), Value: amount(1)}
		}, poco.ErrMoney},
		"burn too much":            {func(s *situation) poco.Event { return poco.Transfer{From: s.who("w1"), Value: amount(1e18)} }, poco.ErrMoney},
		"unlock too much":          {func(s *situation) poco.Event { return poco.Unlock{Owner: s.who("w1"), Amount: amount(1e18)} }, poco.ErrMoney},
		"seize too much":           {func(s *situation) poco.Event { return poco.Seize{Owner: s.who("w1"), Amount: amount(1e18)} }, poco.ErrMoney},
		"supply overflows":         {func(s *situation) poco.Event { return poco.Transfer{To: s.who("w1"), Value: most()} }, poco.ErrOverflow},
		"locked overflows":         {func(s *situation) poco.Event { return poco.Lock{Owner: s.who("poolOwner"), Amount: most()} }, poco.ErrOverflow},
		"deal without body":        {func(*situation) poco.Event { return poco.OrdersMatched{Deal: poco.Hash{1}} }, poco.ErrAttached},
		"deal twice":               {func(s *situation) poco.Event { return poco.OrdersMatched{Deal: s.deal, Body: &poco.Deal{}} }, poco.ErrDuplicate},
		"deal of another request":  {func(*situation) poco.Event { return poco.OrdersMatched{Deal: poco.Hash{1}, Body: &poco.Deal{}} }, poco.ErrMismatch},
		"unknown deal's sponsor":   {func(*situation) poco.Event { return poco.DealSponsored{Deal: poco.Hash{1}} }, poco.ErrUnknown},
		"task without deal":        {func(*situation) poco.Event { return poco.TaskInitialize{Task: poco.Hash{1}} }, poco.ErrAttached},
		"task of unknown deal":     {func(*situation) poco.Event { return poco.TaskInitialize{Task: poco.Hash{1}, Deal: poco.Hash{1}} }, poco.ErrUnknown},
		"task of another deal":     {func(s *situation) poco.Event { return poco.TaskInitialize{Task: poco.Hash{1}, Deal: s.deal} }, poco.ErrMismatch},
		"task twice":               {func(s *situation) poco.Event { return poco.TaskInitialize{Task: s.active, Deal: s.deal} }, poco.ErrDuplicate},
		"contribution to nothing":  {func(*situation) poco.Event { return poco.TaskContribute{Task: poco.Hash{1}} }, poco.ErrUnknown},
		"contribution too late":    {func(s *situation) poco.Event { return poco.TaskContribute{Task: s.revealing, Worker: s.who("w3")} }, poco.ErrStatus},
		"contribution twice":       {func(s *situation) poco.Event { return poco.TaskContribute{Task: s.active, Worker: s.who("w2")} }, poco.ErrDuplicate},
		"consensus of nothing":     {func(*situation) poco.Event { return poco.TaskConsensus{Task: poco.Hash{1}} }, poco.ErrUnknown},
		"consensus of nobody":      {func(s *situation) poco.Event { return poco.TaskConsensus{Task: s.active, Consensus: poco.Hash{1}} }, poco.ErrMismatch},
		"consensus twice":          {func(s *situation) poco.Event { return poco.TaskConsensus{Task: s.revealing, Consensus: hash(s)} }, poco.ErrStatus},
		"reveal of nothing":        {func(s *situation) poco.Event { return poco.TaskReveal{Task: poco.Hash{1}, Worker: s.who("w1")} }, poco.ErrUnknown},
		"reveal by a stranger":     {func(s *situation) poco.Event { return poco.TaskReveal{Task: s.revealing, Worker: s.who("w3")} }, poco.ErrUnknown},
		"reveal too early":         {func(s *situation) poco.Event { return poco.TaskReveal{Task: s.active, Worker: s.who("w2")} }, poco.ErrStatus},
		"reopen of nothing":        {func(*situation) poco.Event { return poco.TaskReopen{Task: poco.Hash{1}} }, poco.ErrUnknown},
		"reopen of an active task": {func(s *situation) poco.Event { return poco.TaskReopen{Task: s.active} }, poco.ErrStatus},
		"finalize of nothing":      {func(*situation) poco.Event { return poco.TaskFinalize{Task: poco.Hash{1}} }, poco.ErrUnknown},
		"finalize too early":       {func(s *situation) poco.Event { return poco.TaskFinalize{Task: s.active} }, poco.ErrStatus},
		"claim of nothing":         {func(*situation) poco.Event { return poco.TaskClaimed{Task: poco.Hash{1}} }, poco.ErrUnknown},
		"category twice":           {func(*situation) poco.Event { return poco.CreateCategory{} }, poco.ErrDuplicate},
		"category skipped":         {func(*situation) poco.Event { return poco.CreateCategory{ID: amount(7)} }, poco.ErrUnknown},
		"resource without body":    {func(*situation) poco.Event { return poco.ResourceTransfer{Kind: poco.App} }, poco.ErrAttached},
		"resource twice": {func(*situation) poco.Event {
			return poco.ResourceTransfer{Kind: poco.App, Resource: addressOf("app"), Body: &poco.Resource{}}
		}, poco.ErrDuplicate},
		"unknown resource": {func(s *situation) poco.Event { return poco.ResourceTransfer{Kind: poco.App, From: s.who("w1")} }, poco.ErrUnknown},
		"not its owner's": {func(s *situation) poco.Event {
			return poco.ResourceTransfer{Kind: poco.App, From: s.who("w1"), Resource: addressOf("app")}
		}, poco.ErrMismatch},
		"another policy before":    {func(*situation) poco.Event { return poco.PolicyUpdate{Workerpool: addressOf("pool")} }, poco.ErrMismatch},
		"result of a classic deal": {func(s *situation) poco.Event { return poco.ResultPushedBoost{Deal: s.deal} }, poco.ErrUnknown},
		"nothing":                  {func(*situation) poco.Event { return nil }, poco.ErrNotEvent},
	} {
		t.Run(name, func(t *testing.T) {
			w := goldenWorld(t)
			s := &situation{world: w, deal: w.match(golden(3, 2))}
			s.active, s.revealing = w.initialize(s.deal, 0), w.initialize(w.match(golden(1, 1)), 0)
			w.contribute(s.active, "w2=x")
			w.contribute(s.revealing, "w1=x")
			before := w.state.Dump()
			err := w.state.Evolve(w.now, test.event(s))
			var broken *poco.EventError
			if !errors.As(err, &broken) || !errors.Is(err, test.want) {
				t.Errorf("got %v, want an EventError: %v", err, test.want)
			}
			equal(t, "state", w.state.Dump(), before)
		})
	}
}

func most() poco.Amount {
	var x poco.Amount
	x.SetAllOne()
	return x
}

// TestAnotherContractsPolicyUpdateIsIgnored: any contract can log it.
func TestAnotherContractsPolicyUpdateIsIgnored(t *testing.T) {
	w := newWorld(t, rules())
	before := w.state.Dump()
	for _, from := range []poco.Address{addressOf("app"), addressOf("stranger")} {
		if err := w.state.Evolve(w.now, poco.PolicyUpdate{Workerpool: from, NewWorkerStakeRatio: amount(5)}); err != nil {
			t.Error(err)
		}
	}
	equal(t, "state", w.state.Dump(), before)
}

// TestABoostDealIsKnownByItsNotice: on a chain its body is not attached.
func TestABoostDealIsKnownByItsNotice(t *testing.T) {
	w := newWorld(t, rules())
	notice := poco.SchedulerNoticeBoost{Deal: poco.DealID(poco.Hash{3}, &poco.Amount{}), Workerpool: addressOf("pool"), App: addressOf("app"), Params: "p"}
	for _, event := range []poco.Event{
		notice, poco.OrdersMatched{Deal: notice.Deal, AppHash: poco.Hash{1}, WorkerpoolHash: poco.Hash{2}, RequestHash: poco.Hash{3}, Volume: amount(2)},
		poco.ResultPushedBoost{Deal: notice.Deal, Results: []byte("r")}, poco.TaskClaimed{Task: poco.Hash{9}},
	} {
		if err := w.state.Evolve(w.now, event); err != nil {
			t.Fatal(err)
		}
	}
	d, _ := w.state.Deal(notice.Deal)
	equal(t, "deal", *d, poco.Deal{
		App: poco.Priced{Pointer: addressOf("app")}, Workerpool: poco.Priced{Pointer: addressOf("pool")}, Params: "p", BotSize: 2, Boost: true,
	})
	zero := amount(0)
	equal(t, "pushed", status(w, poco.TaskID(notice.Deal, &zero)), poco.TaskCompleted)
	equal(t, "claimed", status(w, poco.Hash{9}), poco.TaskFailed)
}

func TestAHugeVolumeIsExact(t *testing.T) {
	w := goldenWorld(t)
	deal := w.match(func(o *poco.Orders) {
		o.App.Volume, o.Dataset.Volume, o.Workerpool.Volume, o.Request.Volume = most(), most(), most(), most()
	})
	d, _ := w.state.Deal(deal)
	equal(t, "size as far as it can be told", d.BotSize, uint64(1<<64-1))
	last := most()
	last.SubUint64(&last, 1)
	w.must("anyone", poco.Initialize{Deal: deal, Index: last})
	w.refused("anyone", poco.Initialize{Deal: deal, Index: most()}, "")
}
