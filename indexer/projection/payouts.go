package projection

import "assay/consensus/poco"

// ending is how a task ended: the event that closes its settlement.
type ending uint8

const (
	notEnded ending = iota
	finalized
	claimed
)

// payment is one Reward or Seize.
type payment struct {
	seize   bool
	account poco.Address
	amount  poco.Amount
	task    poco.Hash
	event   int // position in the block
}

func (p payment) kind() string {
	if p.seize {
		return "SEIZE"
	}
	return "REWARD"
}

// Roles of payouts.
const (
	rolePayer      = "PAYER"
	roleWorker     = "WORKER"
	roleWorkerpool = "WORKERPOOL"
	roleApp        = "APP"
	roleDataset    = "DATASET"
	roleKitty      = "KITTY"
)

// roles says in what role each payment of one task was made, the payments given in the
// order of their events. One address may play several roles, even all of them, so it is
// the order that tells (IexecPoco2Facet and IexecPocoCommon of v5 and v6). A task ends
// once, in one transaction, and that is the only time when anything is paid for it:
//
//	finalize, contributeAndFinalize (successWork, then distributeRewards or …Fast):
//	  Seize   the price                           PAYER, always
//	  Reward  the app's owner                     APP, if its price > 0
//	  Reward  the dataset's owner                 DATASET, if there is one and its price > 0
//	  Seize   the kitty, then Reward pool owner   KITTY, WORKERPOOL, if the kitty is not empty
//	  Reward or Seize of each contributor         WORKER
//	  Reward  the pool's owner                    WORKERPOOL, always
//	claim (failedWork):
//	  Seize   the pool owner's stake              WORKERPOOL
//	  Reward  the kitty                           KITTY
//
// Only the kitty is known by its address, which nobody can contribute from. Where the
// deal is unknown or the task has not ended (a Boost deal) there is no telling: no role.
func roles(payments []payment, deal *poco.Deal, end ending) []string {
	out := make([]string, len(payments))
	switch {
	case end == claimed:
		for i, p := range payments {
			out[i] = claimRole(p)
		}
	case end == finalized && deal != nil:
		for i := range payments {
			out[i] = finalizeRole(payments, i, deal)
		}
	}
	return out
}

func claimRole(p payment) string {
	if p.seize {
		return roleWorkerpool
	}
	return roleKitty
}

func finalizeRole(payments []payment, i int, deal *poco.Deal) string {
	p := payments[i]
	owners := ownerRoles(deal)
	switch {
	case i == 0:
		return rolePayer
	case i <= len(owners):
		return owners[i-1]
	case p.seize && p.account == poco.KittyAddress:
		return roleKitty
	case p.seize:
		return roleWorker
	case i == len(payments)-1, payments[i-1].seize && payments[i-1].account == poco.KittyAddress:
		return roleWorkerpool
	default:
		return roleWorker
	}
}

// ownerRoles are the owners that successWork rewards, in its order.
func ownerRoles(deal *poco.Deal) []string {
	var out []string
	if !deal.App.Price.IsZero() {
		out = append(out, roleApp)
	}
	if !deal.Dataset.Price.IsZero() && deal.Dataset.Pointer != (poco.Address{}) {
		out = append(out, roleDataset)
	}
	return out
}

// paymentOf reads a Reward or a Seize; ok is false for any other event.
func paymentOf(event poco.Event, position int) (payment, bool) {
	switch e := event.(type) {
	case poco.Reward:
		return payment{account: e.Owner, amount: e.Amount, task: e.Ref, event: position}, true
	case poco.Seize:
		return payment{seize: true, account: e.Owner, amount: e.Amount, task: e.Ref, event: position}, true
	}
	return payment{}, false
}

// settled is one payment with the role it was made in.
type settled struct {
	payment
	role string
	deal poco.Hash // zero: unknown
	pool poco.Address
}

// settle finds the role of every payment of a block, in the order of the events. The
// state is the one after the block: each task that was paid for is in it, and ended.
func settle(events []poco.Event, state *poco.State) []settled {
	ends := endings(events)
	var order []poco.Hash
	byTask := map[poco.Hash][]payment{}
	total := 0
	for i, event := range events {
		p, ok := paymentOf(event, i)
		if !ok {
			continue
		}
		if byTask[p.task] == nil {
			order = append(order, p.task)
		}
		byTask[p.task] = append(byTask[p.task], p)
		total++
	}
	byEvent := make(map[int]settled, total)
	for _, task := range order {
		settleTask(task, byTask[task], ends[task], state, byEvent)
	}
	return inOrder(byEvent, len(events))
}

func settleTask(id poco.Hash, payments []payment, end ending, state *poco.State, byEvent map[int]settled) {
	s := settled{}
	var deal *poco.Deal
	if task, ok := state.Task(id); ok {
		s.deal = task.Deal
		if known, ok := state.Deal(task.Deal); ok {
			deal, s.pool = known, known.Workerpool.Pointer
		}
	}
	for i, role := range roles(payments, deal, end) {
		s.payment, s.role = payments[i], role
		byEvent[payments[i].event] = s
	}
}

func inOrder(byEvent map[int]settled, events int) []settled {
	out := make([]settled, 0, len(byEvent))
	for i := range events {
		if s, ok := byEvent[i]; ok {
			out = append(out, s)
		}
	}
	return out
}

// endings finds the tasks that end in a block.
func endings(events []poco.Event) map[poco.Hash]ending {
	out := map[poco.Hash]ending{}
	for _, event := range events {
		switch e := event.(type) {
		case poco.TaskFinalize:
			out[e.Task] = finalized
		case poco.TaskClaimed:
			out[e.Task] = claimed
		}
	}
	return out
}
