package pocotest

import (
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"assay/consensus/poco"
)

var (
	sums   = append(amounts(0, 1, 7, 1_000, 1_000_000_000, 50_000_000_000), power(200), most())
	ratios = append(amounts(30, 0, 1, 7, 100, 1000), power(254))
	shares = append(amounts(1, 0, 50, 99, 100, 101), most())
)

// escrow draws deposits, withdrawals, transfers and allowances.
func (m *Market) escrow(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	sender, other := m.anyone(t), pick(t, append(People(), poco.Address{}, m.rules.Hub), "other")
	if len(m.approved) > 0 && likely(t, 40, "who approved") {
		a := pick(t, m.approved, "approval")
		sender, other = a.Owner, a.Spender
	}
	sum := pick(t, sums, "sum")
	commands := []func() poco.Command{
		func() poco.Command { return poco.Deposit{Amount: m.affordable(t)} },
		func() poco.Command { return poco.DepositFor{Amount: m.affordable(t), Target: other} },
		func() poco.Command { return m.depositForArray(t) },
		func() poco.Command { return poco.Withdraw{Amount: sum} },
		func() poco.Command {
			if other == m.rules.Hub { // sends back to the hub itself, which has rules of its own for that
				other = sender
			}
			return poco.WithdrawTo{Amount: sum, Target: other}
		},
		func() poco.Command { return poco.TransferStake{To: other, Amount: sum} },
		func() poco.Command { return poco.Approve{Spender: other, Amount: sum} },
		func() poco.Command { return poco.IncreaseAllowance{Spender: other, Amount: sum} },
		func() poco.Command {
			if allowance := s.Allowance(sender, other); !allowance.IsZero() && likely(t, 50, "what there is") {
				sum = allowance
			}
			return poco.DecreaseAllowance{Spender: other, Amount: sum}
		},
		func() poco.Command {
			return poco.TransferStakeFrom{From: sender, To: pick(t, m.people, "to"), Amount: sum}
		},
	}
	command := pick(t, commands, "escrow call")()
	if _, ok := command.(poco.TransferStakeFrom); ok && m.keys[other] != nil {
		sender = other // the spender sends
	}
	return sender, command
}

// affordable draws what everybody has outside; with the native coin also what is no
// whole number of nRLC.
func (m *Market) affordable(t *rapid.T) poco.Amount {
	nRLC := pick(t, []uint64{0, 1, 1_000, 5_000_000_000}, "deposit")
	amount := m.coins(nRLC)
	if m.rules.Native {
		amount.AddUint64(&amount, rapid.Uint64Range(0, 999_999_999).Draw(t, "remainder"))
	}
	return amount
}

func (m *Market) depositForArray(t *rapid.T) poco.Command {
	command := poco.DepositForArray{}
	total := uint64(0)
	for range rapid.IntRange(0, 3).Draw(t, "length") {
		nRLC := pick(t, []uint64{0, 5, 1_000_000}, "deposit")
		total += nRLC
		command.Amounts = append(command.Amounts, *uint256.NewInt(nRLC))
		command.Targets = append(command.Targets, pick(t, append(m.people, poco.Address{}), "target"))
	}
	if !likely(t, 90, "same length") {
		command.Targets = append(command.Targets, m.people[0])
	}
	if m.rules.Native {
		command.Value = m.coins(total)
		if !likely(t, 80, "exact") {
			command.Value = m.coins(pick(t, []uint64{0, 3, 2_000_000}, "value"))
		}
	}
	return command
}

// resource draws registrations, transfers, policies and categories.
func (m *Market) resource(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	switch {
	case likely(t, 30, "policy"):
		pool := pick(t, m.pools, "pool")
		if !likely(t, 95, "a pool") {
			pool = pick(t, m.Resources(), "which")
		}
		if r, ok := s.Resource(pool); !ok || r.Kind != poco.Workerpool {
			break // no such function there
		}
		return m.mostly(t, m.ownerOf(s, pool)), poco.ChangePolicy{
			Workerpool: pool, WorkerStakeRatio: pick(t, ratios, "stake ratio"), SchedulerRewardRatio: pick(t, shares, "reward ratio"),
		}
	case likely(t, 40, "transfer"):
		resource := pick(t, m.Resources(), "resource")
		r, _ := s.Resource(resource)
		command := poco.TransferResource{Kind: r.Kind, Resource: resource, From: r.Owner, To: m.newOwner(t)}
		if !likely(t, 93, "from its owner") {
			command.From = m.anyone(t)
		}
		return m.mostly(t, r.Owner), command
	case likely(t, 20, "category"):
		return m.mostly(t, m.rules.Owner), poco.AddCategory{Name: "C", Description: "d", WorkClockTimeRef: pick(t, amounts(1, 60, 0), "clock")}
	}
	if likely(t, 70, "stay with what there is") {
		return m.escrow(t, s)
	}
	return m.register(t)
}

func (m *Market) newOwner(t *rapid.T) poco.Address {
	if !likely(t, 95, "to somebody") {
		return poco.Address{}
	}
	return m.anyone(t)
}

func (m *Market) register(t *rapid.T) (poco.Address, poco.Command) {
	r := poco.Resource{
		Kind: pick(t, []poco.ResourceKind{poco.App, poco.Dataset, poco.Workerpool}, "kind"), Owner: m.newOwner(t),
		Name: fmt.Sprint("made later ", rapid.IntRange(0, 3).Draw(t, "name")),
	}
	return m.anyone(t), poco.Register{At: m.predict(r), Resource: r}
}

func (m *Market) pushResult(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	id, index := m.dealTask(t, s, true)
	deal, ok := s.Deal(id)
	if !ok {
		deal = &poco.Deal{}
	}
	worker, result := m.worker(t), pick(t, results, "result")
	c := poco.PushResultBoost{Deal: id, Index: index, Results: []byte(result), ResultsCallback: m.callback(t, deal, result)}
	c.EnclaveChallenge = m.enclave(t, deal)
	task := poco.TaskID(id, &index)
	c.Authorization = m.authorization(t, worker, task, c.EnclaveChallenge, deal)
	if c.EnclaveChallenge != (poco.Address{}) {
		data := c.Results
		if deal.Callback != (poco.Address{}) {
			data = c.ResultsCallback
		}
		c.EnclaveSign = m.signature(t, c.EnclaveChallenge, poco.EnclaveMessageBoost(worker, task, crypto.Keccak256Hash(data)))
	}
	return worker, c
}

func (m *Market) claimBoost(t *rapid.T, s *poco.State) (poco.Address, poco.Command) {
	deal, index := m.dealTask(t, s, true)
	return m.anyone(t), poco.ClaimBoost{Deal: deal, Index: index}
}
