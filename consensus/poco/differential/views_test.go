package differential

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/consensus/poco"
	"assay/contracts/bindings"
)

var hub = bindings.NewHub()

// ask calls a view of the hub and unpacks the answer with f.
func ask[T any](c *chain, data []byte, f func([]byte) (T, error)) T {
	answer, err := c.view(c.hub, data)
	if err != nil {
		panic(fmt.Sprintf("a view reverted: %v", err))
	}
	value, err := f(answer)
	if err != nil {
		panic(fmt.Sprintf("a view answered %x: %v", answer, err))
	}
	return value
}

// word asks a view that answers with one word.
func (c *chain) word(to common.Address, data []byte) common.Hash {
	answer, err := c.view(to, data)
	if err != nil {
		return common.Hash{}
	}
	return common.BytesToHash(answer)
}

// view is a thing as one side sees it: comparable text.
type view string

func viewOf(values ...any) view {
	text := ""
	for _, value := range values {
		text += fmt.Sprintf("%+v ", value)
	}
	return view(text)
}

// views returns what a key names as the contracts and as the rules see it.
func (r *run) views(key poco.Key) (contracts, rules view) {
	switch key.Kind {
	case poco.KindAccount:
		return r.chain.account(key.Address), account(r.state.Account(key.Address))
	case poco.KindDeal:
		return r.deal(key.Hash)
	case poco.KindTask:
		return r.task(key.Hash)
	case poco.KindContribution:
		return r.contribution(key.Hash, key.Address)
	case poco.KindCategory:
		return r.category(key.Number)
	case poco.KindResource:
		return r.resource(key.Address)
	case poco.KindOrder:
		return r.order(key.Hash)
	}
	return "", "no such kind"
}

func (c *chain) account(who common.Address) view {
	account := ask(c, hub.PackViewAccount(who), hub.UnpackViewAccount)
	return viewOf(account.Stake, account.Locked, ask(c, hub.PackViewScore(who), hub.UnpackViewScore))
}

func account(a poco.Account) view { return viewOf(number(a.Stake), number(a.Locked), number(a.Score)) }

func priced(p poco.Priced) bindings.IexecLibCoreV5Resource {
	return bindings.IexecLibCoreV5Resource{Pointer: p.Pointer, Owner: p.Owner, Price: number(p.Price)}
}

func small(x uint64) *big.Int { return new(big.Int).SetUint64(x) }

func (r *run) deal(id poco.Hash) (view, view) {
	d, ok := r.state.Deal(id)
	if !ok {
		return "", "no deal"
	}
	if d.Boost {
		return r.dealBoost(id, d)
	}
	if r.chain.era.NoSponsor {
		return r.dealLegacy(id, d)
	}
	deal := ask(r.chain, hub.PackViewDeal(id), hub.UnpackViewDeal)
	if !deal.BotSize.IsUint64() {
		deal.BotSize = small(1<<64 - 1)
	}
	if !deal.BotFirst.IsUint64() {
		deal.BotFirst = small(1<<64 - 1)
	}
	return viewOf(deal), viewOf(bindings.IexecLibCoreV5Deal{
		App: priced(d.App), Dataset: priced(d.Dataset), Workerpool: priced(d.Workerpool), Trust: number(d.Trust),
		Category: number(d.Category), Tag: d.Tag, Requester: d.Requester, Beneficiary: d.Beneficiary, Callback: d.Callback,
		Params: d.Params, StartTime: small(d.StartTime), BotFirst: small(d.BotFirst), BotSize: small(d.BotSize),
		WorkerStake: number(d.WorkerStake), SchedulerRewardRatio: number(d.SchedulerRewardRatio), Sponsor: d.Sponsor,
	})
}

// dealBoost compares what the contract packs of a Boost deal.
func (r *run) dealBoost(id poco.Hash, d *poco.Deal) (view, view) {
	data, err := r.chain.boost.Pack("viewDealBoost", id)
	if err != nil {
		return view(err.Error()), ""
	}
	answer, err := r.chain.view(r.chain.hub, data)
	if err != nil {
		return view(err.Error()), ""
	}
	word := func(i int) *big.Int { return new(big.Int).SetBytes(answer[32*i : 32*i+32]) }
	who := func(i int) common.Address { return common.BytesToAddress(answer[32*i : 32*i+32]) }
	category, _ := r.state.Category(d.Category.Uint64())
	share := new(big.Int).Sub(big.NewInt(100), number(d.SchedulerRewardRatio))
	reward := new(big.Int).Div(new(big.Int).Mul(number(d.Workerpool.Price), share), big.NewInt(100))
	return viewOf(who(0), word(1), who(2), word(3), who(4), word(5), who(6), word(7), who(8), word(9), word(10), word(11),
			answer[32*12:32*12+3], who(13)),
		viewOf(d.App.Owner, number(d.App.Price), d.Dataset.Owner, number(d.Dataset.Price), d.Workerpool.Owner,
			number(d.Workerpool.Price), d.Requester, reward, d.Callback, small(d.StartTime+7*category.WorkClockTimeRef),
			small(d.BotFirst), small(d.BotSize), d.Tag[29:], d.Sponsor)
}

func (r *run) task(id poco.Hash) (view, view) {
	there := ask(r.chain, hub.PackViewTask(id), hub.UnpackViewTask)
	t, ok := r.state.Task(id)
	if !ok {
		return viewOf(there.Status), viewOf(poco.TaskUnset)
	}
	if deal, ok := r.state.Deal(t.Deal); !ok || deal.Boost {
		return viewOf(there.Status), viewOf(t.Status)
	}
	here := bindings.IexecLibCoreV5Task{
		Status: uint8(t.Status), Dealid: t.Deal, Idx: small(t.Index), Timeref: small(t.TimeRef),
		ContributionDeadline: small(t.ContributionDeadline), RevealDeadline: small(t.RevealDeadline),
		FinalDeadline: small(t.FinalDeadline), ConsensusValue: t.ConsensusValue, RevealCounter: small(t.RevealCounter),
		WinnerCounter: small(t.WinnerCounter), Contributors: t.Contributors, ResultDigest: t.ResultDigest, Results: t.Results,
		ResultsTimestamp: new(big.Int), ResultsCallback: t.ResultsCallback,
	}
	total := r.state.Consensus(id, poco.Hash{}).Total
	return viewOf(there, r.chain.total(id)), viewOf(here, number(total))
}

func (r *run) contribution(task poco.Hash, worker poco.Address) (view, view) {
	there := ask(r.chain, hub.PackViewContribution(task, worker), hub.UnpackViewContribution)
	c, ok := r.state.Contribution(task, worker)
	if !ok {
		return viewOf(there.Status), viewOf(poco.ContributionUnset)
	}
	here := bindings.IexecLibCoreV5Contribution{
		Status: uint8(c.Status), ResultHash: c.ResultHash, ResultSeal: c.ResultSeal, EnclaveChallenge: c.EnclaveChallenge,
		Weight: number(c.Weight),
	}
	group := r.state.Consensus(task, c.ResultHash).Group
	return viewOf(there, r.chain.groupWeight(task, c.ResultHash)), viewOf(here, number(group))
}

// The consensus has no accessor: it is read from the storage. Counted from the beginning
// of PoCo's variables, the map of tasks' consensuses has slot 16 and that of scores 18. A
// consensus has the map of groups, then the total.
const (
	consensusSlot = 16
	scoreSlot     = 18
)

func (c *chain) slot(variable int64) common.Hash {
	return common.BigToHash(new(big.Int).Add(c.storage, big.NewInt(variable)))
}

func (c *chain) setScore(worker poco.Address, score uint64) {
	slot := mapped(common.BytesToHash(worker[:]), c.slot(scoreSlot))
	c.state.SetState(c.hub, slot, common.BigToHash(small(score)))
}

func mapped(key common.Hash, slot common.Hash) common.Hash {
	return crypto.Keccak256Hash(key[:], slot[:])
}

func (c *chain) total(task poco.Hash) *big.Int {
	entry := mapped(task, c.slot(consensusSlot)).Big()
	value := c.state.GetState(c.hub, common.BigToHash(entry.Add(entry, big.NewInt(1))))
	return value.Big()
}

func (c *chain) groupWeight(task, result poco.Hash) *big.Int {
	entry := mapped(task, c.slot(consensusSlot))
	value := c.state.GetState(c.hub, mapped(result, entry))
	return value.Big()
}

func (r *run) category(id uint64) (view, view) {
	there := ask(r.chain, hub.PackViewCategory(small(id)), hub.UnpackViewCategory)
	c, _ := r.state.Category(id)
	return viewOf(there), viewOf(bindings.IexecLibCoreV5Category{
		Name: c.Name, Description: c.Description, WorkClockTimeRef: small(c.WorkClockTimeRef),
	})
}

func (r *run) resource(at poco.Address) (view, view) {
	res, _ := r.state.Resource(at)
	there := []any{common.BytesToAddress(r.chain.word(at, r.chain.packPool("owner")).Bytes())}
	here := []any{res.Owner}
	if res.Kind == poco.Workerpool {
		there = append(there, r.chain.word(at, r.chain.packPool("m_workerStakeRatioPolicy")).Big(),
			r.chain.word(at, r.chain.packPool("m_schedulerRewardRatioPolicy")).Big())
		here = append(here, number(res.WorkerStakeRatio), number(res.SchedulerRewardRatio))
	}
	return viewOf(there...), viewOf(here...)
}

func (c *chain) packPool(method string) []byte {
	return append([]byte(nil), c.poolAPI.Methods[method].ID...)
}

func (r *run) order(hash poco.Hash) (view, view) {
	consumed := ask(r.chain, hub.PackViewConsumed(hash), hub.UnpackViewConsumed)
	signer := ask(r.chain, hub.PackViewPresigned(hash), hub.UnpackViewPresigned)
	o := r.state.Order(hash)
	return viewOf(consumed, signer), viewOf(number(o.Consumed), o.Signer)
}

func (r *run) supply() (view, view) {
	supply := r.state.Supply()
	return viewOf(ask(r.chain, hub.PackTotalSupply(), hub.UnpackTotalSupply)), viewOf(number(supply))
}

func (r *run) allowance(owner, spender poco.Address) (view, view) {
	data, err := r.chain.api.Pack("allowance", owner, spender)
	if err != nil {
		return view(err.Error()), ""
	}
	allowance := r.state.Allowance(owner, spender)
	return viewOf(r.chain.word(r.chain.hub, data).Big()), viewOf(number(allowance))
}
