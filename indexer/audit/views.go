package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"assay/consensus/poco"
	"assay/contracts"
)

// view is one thing that the contracts are asked for.
type view struct {
	kind, id string
	reads    []*contracts.Read
	fields   func() []field // after the reads have been made
}

// field is one value as the log says and as the contracts say.
type field struct {
	name            string
	expected, found string
	cause           ref
}

// viewsAtOnce bounds how many views are under way.
const viewsAtOnce = 200

// ask compares the book as it is now with the contracts after the block of the audit,
// once.
func (a *auditor) ask(ctx context.Context) error {
	if a.asked {
		return nil
	}
	a.asked = true
	if err := a.finishBlocks(ctx); err != nil {
		return err
	}
	if err := a.askTotals(ctx); err != nil {
		return err
	}
	return a.askViews(ctx, a.wanted())
}

// wanted is things of a kind to ask the contracts for.
type wanted struct {
	count int
	view  func(i int) view
}

// askViews asks for all that is wanted, some at a time.
func (a *auditor) askViews(ctx context.Context, lists []wanted) error {
	total, done := 0, 0
	for _, list := range lists {
		total += list.count
	}
	var views []view
	for _, list := range lists {
		for i := range list.count {
			if views = append(views, list.view(i)); len(views) < viewsAtOnce {
				continue
			}
			if err := a.askBatch(ctx, views); err != nil {
				return err
			}
			done += len(views)
			views = nil
			a.cfg.Progress(StageContracts, uint64(done), uint64(total))
		}
	}
	if err := a.askBatch(ctx, views); err != nil {
		return err
	}
	a.cfg.Progress(StageContracts, uint64(total), uint64(total))
	return nil
}

// askTotals compares what there is one of. It comes first: where not even this answers,
// there is no contract at the block, or a node that has forgotten the block's state.
func (a *auditor) askTotals(ctx context.Context) error {
	var supply *big.Int
	read := a.chain.ReadSupply(&supply)
	if err := a.chain.Batch(ctx, contracts.AtNumber(a.at), read); err != nil {
		return err
	}
	if read.Err != nil {
		return fmt.Errorf("asking the contracts after block %d (an older block needs a node with an archive): %w", a.at, read.Err)
	}
	expected := a.book.state.Supply()
	if err := a.compareView(ctx, view{kind: "supply", id: "totalSupply"}, []field{{"supply", expected.Dec(), supply.String(), ref{}}}); err != nil {
		return err
	}
	a.count("supply").Of = 1
	categories, err := a.chain.Categories(ctx, contracts.AtNumber(a.at))
	if err != nil {
		return err
	}
	return a.compareCategories(ctx, categories)
}

func (a *auditor) compareCategories(ctx context.Context, found []contracts.Category) error {
	a.count("categories").Of = a.book.state.Categories()
	for id := range max(uint64(len(found)), a.book.state.Categories()) {
		v := view{kind: "categories", id: number(id)}
		var fields []field
		expected, ok := a.book.state.Category(id)
		switch {
		case !ok:
			fields = []field{{"", "no category", found[id].Name, ref{}}}
		case id >= uint64(len(found)):
			fields = []field{{"", expected.Name, "no category", a.book.categories[id].cause}}
		default:
			cause := a.book.categories[id].cause
			fields = []field{
				{"name", expected.Name, utf8(found[id].Name), cause},
				{"description", expected.Description, utf8(found[id].Description), cause},
				{"work_clock_time_ref", number(expected.WorkClockTimeRef), saturated(found[id].WorkClockTimeRef), cause},
			}
		}
		if err := a.compareView(ctx, v, fields); err != nil {
			return err
		}
	}
	return nil
}

// utf8 is a text of the chain as the log can hold it.
func utf8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// saturated is a number of which the rules keep 64 bits.
func saturated(x *big.Int) string {
	if !x.IsUint64() {
		return number(math.MaxUint64)
	}
	return x.String()
}

func (a *auditor) count(kind string) *Count { return count(a.report.Compared.Contracts, kind) }

// askBatch makes the reads of some views and compares the answers.
func (a *auditor) askBatch(ctx context.Context, views []view) error {
	var reads []*contracts.Read
	for _, v := range views {
		reads = append(reads, v.reads...)
	}
	if err := a.chain.Batch(ctx, contracts.AtNumber(a.at), reads...); err != nil {
		return err
	}
	for _, v := range views {
		fields, err := v.answer()
		if err != nil {
			return fmt.Errorf("asking the contracts for %s %s after block %d: %w", v.kind, v.id, a.at, err)
		}
		if err := a.compareView(ctx, v, fields); err != nil {
			return err
		}
	}
	return nil
}

// answer is what came of a view's reads. That a contract refuses or is not there is an
// answer, too; that the node does not answer is an error.
func (v view) answer() ([]field, error) {
	for _, read := range v.reads {
		refused := (*contracts.RevertError)(nil)
		switch {
		case errors.As(read.Err, &refused), errors.Is(read.Err, contracts.ErrNoContract):
			return []field{{"", "an answer of the contract", read.Err.Error(), ref{}}}, nil
		case read.Err != nil:
			return nil, read.Err
		}
	}
	return v.fields(), nil
}

func (a *auditor) compareView(ctx context.Context, v view, fields []field) error {
	c := a.count(v.kind)
	c.Compared++
	different := false
	for _, f := range fields {
		if f.expected == f.found {
			continue
		}
		different = true
		err := a.differ(ctx, Difference{In: inContracts, Kind: v.kind, ID: v.id, Field: f.name, Expected: f.expected, Found: f.found}, f.cause)
		if err != nil {
			return err
		}
	}
	if different {
		c.Different++
	}
	return nil
}

// wanted lists what to ask the contracts for: everything, or a sample.
func (a *auditor) wanted() []wanted {
	b, n := a.book, a.cfg.Sample
	if a.cfg.All {
		n = -1
	}
	accounts := slices.SortedFunc(maps.Keys(b.accounts), poco.Address.Cmp)
	a.count("accounts").Of = uint64(len(accounts))
	accounts = sample(a.random, accounts, n, foremost, b.richer,
		func(x, y poco.Address) int { return newer(b.accounts[x].last, b.accounts[y].last) })
	tasks := draw(a, "tasks", b.tasks, poco.Hash.Cmp, n)
	contributions := a.contributionsTo(tasks)
	deals := slices.DeleteFunc(draw(a, "deals", b.deals, poco.Hash.Cmp, n), b.isBoost)
	orders := draw(a, "orders", b.orders, poco.Hash.Cmp, n)
	resources := draw(a, "resources", b.resources, poco.Address.Cmp, n)
	return []wanted{
		{len(accounts), func(i int) view { return a.accountView(accounts[i]) }},
		{len(tasks), func(i int) view { return a.taskView(tasks[i]) }},
		{len(contributions), func(i int) view { return a.contributionView(contributions[i]) }},
		{len(deals), func(i int) view { return a.dealView(deals[i]) }},
		{len(orders), func(i int) view { return a.orderView(orders[i]) }},
		{len(resources), func(i int) view { return a.resourceView(resources[i]) }},
	}
}

// isBoost says whether a deal is of PoCo Boost: viewDeal does not have those.
func (b *book) isBoost(id poco.Hash) bool {
	deal, _ := b.state.Deal(id)
	return deal.Boost
}

// draw samples things of a kind, with those that changed last.
func draw[K comparable](a *auditor, kind string, things map[K]*thing, order func(a, b K) int, n int) []K {
	a.count(kind).Of = uint64(len(things))
	return sample(a.random, slices.SortedFunc(maps.Keys(things), order), n, foremost,
		func(x, y K) int { return newer(things[x].cause, things[y].cause) })
}

// richer ranks accounts by what they have, free and locked.
func (b *book) richer(x, y poco.Address) int {
	one, other := b.state.Account(x), b.state.Account(y)
	one.Stake.Add(&one.Stake, &one.Locked)
	other.Stake.Add(&other.Stake, &other.Locked)
	return other.Stake.Cmp(&one.Stake)
}

func (a *auditor) accountView(id poco.Address) view {
	expected, causes := a.book.state.Account(id), a.book.accounts[id].cause
	var found contracts.Account
	var score *big.Int
	return view{
		kind: "accounts", id: address(id),
		reads: []*contracts.Read{a.chain.ReadAccount(id, &found), a.chain.ReadScore(id, &score)},
		fields: func() []field {
			return []field{
				{"stake", expected.Stake.Dec(), found.Stake.String(), causes[ofStake]},
				{"locked", expected.Locked.Dec(), found.Locked.String(), causes[ofLocked]},
				{"score", expected.Score.Dec(), score.String(), causes[ofScore]},
			}
		},
	}
}

func (a *auditor) taskView(id poco.Hash) view {
	t, _ := a.book.state.Task(id)
	expected := *t
	cause := a.book.tasks[id].cause
	deal, ok := a.book.state.Deal(t.Deal)
	found := &contracts.Task{}
	return view{
		kind: "tasks", id: hash(id),
		reads: []*contracts.Read{a.chain.ReadTask(id, found)},
		fields: func() []field {
			status := field{"status", statusName(taskStatus[:], uint8(expected.Status)), statusName(taskStatus[:], found.Status), cause}
			if !ok || deal.Boost { // of these the contract keeps no more
				return []field{status}
			}
			return append(taskFields(&expected, found, cause), status)
		},
	}
}

func taskFields(t *poco.Task, found *contracts.Task, cause ref) []field {
	return []field{
		{"deal", hash(t.Deal), hexOf(found.Dealid[:]), cause},
		{"index", number(t.Index), saturated(found.Idx), cause},
		{"time_ref", number(t.TimeRef), saturated(found.Timeref), cause},
		{"contribution_deadline", number(t.ContributionDeadline), saturated(found.ContributionDeadline), cause},
		{"reveal_deadline", number(t.RevealDeadline), saturated(found.RevealDeadline), cause},
		{"final_deadline", number(t.FinalDeadline), saturated(found.FinalDeadline), cause},
		{"consensus_value", hash(t.ConsensusValue), hexOf(found.ConsensusValue[:]), cause},
		{"reveal_counter", number(t.RevealCounter), saturated(found.RevealCounter), cause},
		{"winner_counter", number(t.WinnerCounter), saturated(found.WinnerCounter), cause},
		{"contributors", fmt.Sprint(t.Contributors), fmt.Sprint(found.Contributors), cause},
		{"result_digest", hash(t.ResultDigest), hexOf(found.ResultDigest[:]), cause},
		{"results", hexOf(t.Results), hexOf(found.Results), cause},
		{"results_callback", hexOf(t.ResultsCallback), hexOf(found.ResultsCallback), cause},
	}
}

func statusName(names []string, status uint8) string {
	if int(status) >= len(names) {
		return fmt.Sprint(status)
	}
	return names[status]
}

// contributionsTo lists the contributions to tasks.
func (a *auditor) contributionsTo(tasks []poco.Hash) []contributionID {
	a.count("contributions").Of = uint64(len(a.book.contributions))
	var out []contributionID
	for _, id := range tasks {
		task, _ := a.book.state.Task(id)
		for _, worker := range task.Contributors {
			out = append(out, contributionID{id, worker})
		}
	}
	return out
}

func (a *auditor) contributionView(id contributionID) view {
	c, _ := a.book.state.Contribution(id.task, id.worker)
	expected := *c
	cause := a.book.contributions[id].cause
	found := &contracts.Contribution{}
	return view{
		kind: "contributions", id: hash(id.task) + "/" + address(id.worker),
		reads: []*contracts.Read{a.chain.ReadContribution(id.task, id.worker, found)},
		fields: func() []field {
			return []field{
				{"status", statusName(contributionStatus[:], uint8(expected.Status)), statusName(contributionStatus[:], found.Status), cause},
				{"result_hash", hash(expected.ResultHash), hexOf(found.ResultHash[:]), cause},
				{"result_seal", hash(expected.ResultSeal), hexOf(found.ResultSeal[:]), cause},
				{"enclave_challenge", address(expected.EnclaveChallenge), address(found.EnclaveChallenge), cause},
				{"weight", expected.Weight.Dec(), found.Weight.String(), cause},
			}
		},
	}
}

func (a *auditor) dealView(id poco.Hash) view {
	expected, _ := a.book.state.Deal(id)
	cause := a.book.deals[id].cause
	found := &contracts.Deal{}
	return view{
		kind: "deals", id: hash(id),
		reads:  []*contracts.Read{a.chain.ReadDeal(id, found)},
		fields: func() []field { return dealFields(expected, found, cause) },
	}
}

func dealFields(d *poco.Deal, found *contracts.Deal, cause ref) []field {
	return []field{
		{"app", address(d.App.Pointer), address(found.App.Pointer), cause},
		{"app_owner", address(d.App.Owner), address(found.App.Owner), cause},
		{"app_price", d.App.Price.Dec(), found.App.Price.String(), cause},
		{"dataset", address(d.Dataset.Pointer), address(found.Dataset.Pointer), cause},
		{"dataset_owner", address(d.Dataset.Owner), address(found.Dataset.Owner), cause},
		{"dataset_price", d.Dataset.Price.Dec(), found.Dataset.Price.String(), cause},
		{"workerpool", address(d.Workerpool.Pointer), address(found.Workerpool.Pointer), cause},
		{"workerpool_owner", address(d.Workerpool.Owner), address(found.Workerpool.Owner), cause},
		{"workerpool_price", d.Workerpool.Price.Dec(), found.Workerpool.Price.String(), cause},
		{"trust", d.Trust.Dec(), found.Trust.String(), cause},
		{"category", d.Category.Dec(), found.Category.String(), cause},
		{"tag", hash(d.Tag), hexOf(found.Tag[:]), cause},
		{"requester", address(d.Requester), address(found.Requester), cause},
		{"beneficiary", address(d.Beneficiary), address(found.Beneficiary), cause},
		{"callback", address(d.Callback), address(found.Callback), cause},
		{"params", d.Params, utf8(found.Params), cause},
		{"start_time", number(d.StartTime), saturated(found.StartTime), cause},
		{"bot_first", number(d.BotFirst), saturated(found.BotFirst), cause},
		{"bot_size", number(d.BotSize), saturated(found.BotSize), cause},
		{"worker_stake", d.WorkerStake.Dec(), found.WorkerStake.String(), cause},
		{"scheduler_reward_ratio", d.SchedulerRewardRatio.Dec(), found.SchedulerRewardRatio.String(), cause},
		{"sponsor", address(d.Sponsor), address(found.Sponsor), cause},
	}
}

func (a *auditor) orderView(id poco.Hash) view {
	expected, cause := a.book.state.Order(id), a.book.orders[id].cause
	var consumed *big.Int
	var signer common.Address
	return view{
		kind: "orders", id: hash(id),
		reads: []*contracts.Read{a.chain.ReadConsumed(id, &consumed), a.chain.ReadPresigned(id, &signer)},
		fields: func() []field {
			return []field{
				{"consumed", expected.Consumed.Dec(), consumed.String(), cause},
				{"signer", address(expected.Signer), address(signer), cause},
			}
		},
	}
}

// resourceView asks a resource's own contract, for its owner and its metadata.
func (a *auditor) resourceView(id poco.Address) view {
	r, _ := a.book.state.Resource(id)
	expected := *r
	cause := a.book.resources[id].cause
	var owner common.Address
	reads := []*contracts.Read{a.chain.ReadOwner(id, &owner)}
	own := func() []field { return nil }
	switch expected.Kind {
	case poco.App:
		found := &contracts.App{}
		reads = append(reads, a.chain.ReadApp(id, found)...)
		own = func() []field {
			return metadata(&expected, poco.Resource{Name: found.Name, Type: found.Type, Multiaddr: found.Multiaddr,
				Checksum: found.Checksum, MREnclave: found.MREnclave}, cause)
		}
	case poco.Dataset:
		found := &contracts.Dataset{}
		reads = append(reads, a.chain.ReadDataset(id, found)...)
		own = func() []field {
			return metadata(&expected, poco.Resource{Name: found.Name, Multiaddr: found.Multiaddr, Checksum: found.Checksum}, cause)
		}
	case poco.Workerpool:
		found, policy := new(string), &contracts.Policy{}
		reads = append(append(reads, a.chain.ReadWorkerpool(id, found)), a.chain.ReadPolicy(id, policy)...)
		own = func() []field {
			stake, _ := uint256.FromBig(policy.WorkerStakeRatio)
			reward, _ := uint256.FromBig(policy.SchedulerRewardRatio)
			return metadata(&expected, poco.Resource{Name: *found, WorkerStakeRatio: *stake, SchedulerRewardRatio: *reward}, cause)
		}
	}
	return view{
		kind: "resources", id: address(id), reads: reads,
		fields: func() []field { return append(own(), field{"owner", address(expected.Owner), address(owner), cause}) },
	}
}

func metadata(expected *poco.Resource, found poco.Resource, cause ref) []field {
	return []field{
		{"name", expected.Name, utf8(found.Name), cause},
		{"type", expected.Type, utf8(found.Type), cause},
		{"multiaddr", hexOf(expected.Multiaddr), hexOf(found.Multiaddr), cause},
		{"checksum", hash(expected.Checksum), hash(found.Checksum), cause},
		{"mrenclave", hexOf(expected.MREnclave), hexOf(found.MREnclave), cause},
		{"worker_stake_ratio", expected.WorkerStakeRatio.Dec(), found.WorkerStakeRatio.Dec(), cause},
		{"scheduler_reward_ratio", expected.SchedulerRewardRatio.Dec(), found.SchedulerRewardRatio.Dec(), cause},
	}
}
