package conformance_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"assay/contracts"
	"assay/graphql/subgraph/referencetest"
)

// reading tells a world what a chain holds, by itself: it asks a node for the logs of each
// block, decodes them with the ABIs that came with the contracts, and asks the contracts,
// as of the block, what became of what the logs mention, as the official subgraph's
// handlers do. It follows no rules of PoCo and knows none of Assay's logs and rows.
type reading struct {
	*market
	abis
	world *referencetest.World
	block referencetest.Block
	at    contracts.At
	tx    string // transaction of the log
	log   types.Log
	args  map[string]any

	changed map[string]map[string]bool // what the block changes whose state the contracts know: type, id
	marks   []mark                     // of blocks, oldest first
	told    func()                     // after each block with logs, and each before one; nil: nothing
	now     counts
}

// abis are the contracts' interfaces.
type abis struct{ hub, registry, pool abi.ABI }

func readABIs(t testing.TB) abis {
	t.Helper()
	read := func(path ...string) abi.ABI {
		file, err := os.ReadFile(filepath.Join(append([]string{modules, "@iexec", "poco", "artifacts", "contracts"}, path...)...))
		if err != nil {
			t.Fatal(err)
		}
		var artifact struct{ ABI abi.ABI }
		if err := json.Unmarshal(file, &artifact); err != nil {
			t.Fatal(err)
		}
		return artifact.ABI
	}
	return abis{
		hub:      read("IexecInterfaceToken.sol", "IexecInterfaceToken.json"),
		registry: read("registries", "apps", "AppRegistry.sol", "AppRegistry.json"),
		pool:     read("registries", "workerpools", "Workerpool.sol", "Workerpool.json"),
	}
}

// counts is what no contract counts: of the protocol, of resources (by id), of deals.
type counts struct {
	total     map[string]int64
	usage     map[string]int64
	used      map[string]uint64
	handed    map[string]uint64 // when a resource last changed hands
	completed map[string]int64
	claimed   map[string]int64
	made      map[string]uint64 // when a contribution or a deal was made
	orders    map[string][4]any // of a deal
}

func newCounts() counts {
	return counts{map[string]int64{}, map[string]int64{}, map[string]uint64{}, map[string]uint64{}, map[string]int64{}, map[string]int64{}, map[string]uint64{}, map[string][4]any{}}
}

func (c counts) clone() counts {
	return counts{maps.Clone(c.total), maps.Clone(c.usage), maps.Clone(c.used), maps.Clone(c.handed), maps.Clone(c.completed), maps.Clone(c.claimed), maps.Clone(c.made), maps.Clone(c.orders)}
}

// mark is a block that was read, and what was counted before it.
type mark struct {
	number uint64
	hash   common.Hash
	before counts
}

func newReading(m *market, a abis, w *referencetest.World) *reading {
	return &reading{market: m, abis: a, world: w, now: newCounts()}
}

// follow reads what is new on the chain, after taking back what is no longer on it.
func (r *reading) follow() {
	r.t.Helper()
	for n := len(r.marks); n > 0; n-- {
		last := r.marks[n-1]
		header, err := r.node.HeaderByNumber(r.ctx, new(big.Int).SetUint64(last.number))
		r.must(err)
		if header.Hash() == last.hash {
			break
		}
		r.marks, r.now = r.marks[:n-1], last.before
		r.world.Fork(last.number - 1)
	}
	from := uint64(0)
	if n := len(r.marks); n > 0 {
		from = r.marks[n-1].number + 1
	}
	for number := from; number <= r.head().Number.Uint64(); number++ {
		header, err := r.node.HeaderByNumber(r.ctx, new(big.Int).SetUint64(number))
		r.must(err)
		r.marks = append(r.marks, mark{number, header.Hash(), r.now.clone()})
		r.read(header)
	}
}

// read reads one block. One without logs of the market is in no world.
func (r *reading) read(header *types.Header) {
	hash := header.Hash()
	logs, err := r.node.FilterLogs(r.ctx, ethereum.FilterQuery{BlockHash: &hash})
	r.must(err)
	logs = slices.DeleteFunc(logs, func(log types.Log) bool { return !r.concerns(log) })
	if len(logs) == 0 {
		return
	}
	r.block = referencetest.Block{Number: header.Number.Uint64(), Time: header.Time, Hash: hexOf(hash[:]), Parent: hexOf(header.ParentHash[:])}
	r.at = contracts.AtHash(hash)
	r.before()
	r.world.Add(r.block)
	r.changed = map[string]map[string]bool{}
	for _, log := range logs {
		r.handle(log)
	}
	r.settle()
	if r.told != nil {
		r.told()
	}
}

// before tells of the block before, which may hold no logs and yet be the head while this
// one is taken back.
func (r *reading) before() {
	if r.told == nil || len(r.world.Blocks) == 0 || r.world.Head().Hash == r.block.Parent {
		return
	}
	newest := r.world.Head()
	r.world.Add(referencetest.Block{Number: r.block.Number - 1, Hash: r.block.Parent})
	r.told()
	r.world.Fork(newest.Number)
}

func (r *reading) concerns(log types.Log) bool {
	watched := []common.Address{r.market.at.Hub, r.market.at.AppRegistry, r.market.at.DatasetRegistry, r.market.at.WorkerpoolRegistry}
	return slices.Contains(watched, log.Address) || log.Topics[0] == r.pool.Events["PolicyUpdate"].ID
}

// handle decodes a log and does what its handler does.
func (r *reading) handle(log types.Log) {
	r.t.Helper()
	r.log, r.tx = log, hexOf(log.TxHash[:])
	of := r.hub
	switch log.Address {
	case r.market.at.Hub:
	case r.market.at.AppRegistry, r.market.at.DatasetRegistry, r.market.at.WorkerpoolRegistry:
		of = r.registry
	default:
		of = r.pool
	}
	event, err := of.EventByID(log.Topics[0])
	if err != nil {
		return // the proxy's own
	}
	r.args = map[string]any{}
	if len(log.Data) > 0 {
		r.must(of.UnpackIntoMap(r.args, event.Name, log.Data))
	}
	var indexed abi.Arguments
	for _, input := range event.Inputs {
		if input.Indexed {
			indexed = append(indexed, input)
		}
	}
	r.must(abi.ParseTopicsIntoMap(r.args, indexed, log.Topics[1:]))
	if event.Name == "Transfer" && log.Address != r.market.at.Hub {
		r.handed()
		return
	}
	if handler, ok := handlers[event.Name]; ok {
		handler(r)
	}
}

// The arguments of the event that is handled.
func (r *reading) address(name string) string {
	a := r.args[name].(common.Address)
	return hexOf(a[:])
}

func (r *reading) word(name string) string {
	w := r.args[name].([32]byte)
	return hexOf(w[:])
}

func (r *reading) number(name string) *big.Int { return r.args[name].(*big.Int) }

func hexOf(b []byte) string { return hexutil.Encode(b) }

func (r *reading) time() *big.Int { return new(big.Int).SetUint64(r.block.Time) }

func counted(n int64) *big.Int { return big.NewInt(n) }

// touch notes that the block changes an entity.
func (r *reading) touch(entity, id string) string {
	if r.changed[entity] == nil {
		r.changed[entity] = map[string]bool{}
	}
	r.changed[entity][id] = true
	return id
}

// account mentions an account, which is there from then on.
func (r *reading) account(id string) string {
	if !r.world.Has("Account", id) {
		r.touch("Account", id)
	}
	return id
}

var zero = hexOf(make([]byte, 20))

// moved mentions an account whose stake changes. Nobody has none.
func (r *reading) moved(id string) string {
	if id == zero {
		return r.account(id)
	}
	return r.touch("Account", id)
}

// event makes the entity of the event that is handled, and its transaction.
func (r *reading) event(entity string, fields referencetest.State) {
	fields["transaction"], fields["timestamp"] = r.transaction(), r.time()
	r.world.Put(entity, fmt.Sprintf("%d-%d", r.block.Number, r.log.Index), fields)
}

func (r *reading) transaction() string {
	if r.world.Has("Transaction", r.tx) {
		return r.tx
	}
	tx, _, err := r.node.TransactionByHash(r.ctx, r.log.TxHash)
	r.must(err)
	receipt, err := r.node.TransactionReceipt(r.ctx, r.log.TxHash)
	r.must(err)
	from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
	r.must(err)
	state := referencetest.State{
		"from": r.account(hexOf(from[:])), "to": nil, "value": tx.Value(), "gasLimit": new(big.Int).SetUint64(tx.Gas()),
		"gasUsed": new(big.Int).SetUint64(receipt.GasUsed), "gasPrice": receipt.EffectiveGasPrice,
		"timestamp": r.time(), "blockNumber": new(big.Int).SetUint64(r.block.Number),
	}
	if tx.To() != nil {
		state["to"] = r.account(hexOf(tx.To()[:]))
	}
	r.world.Put("Transaction", r.tx, state)
	return r.tx
}

// count counts something of the protocol.
func (r *reading) count(what string, n int64) {
	r.now.total[what] += n
	r.touch("Protocol", "iExec")
}

// settle asks the contracts what became of what the block changed.
func (r *reading) settle() {
	r.t.Helper()
	for entity, ask := range map[string]func(id string) referencetest.State{
		"Account": r.askAccount, "App": r.askApp, "Dataset": r.askDataset, "Workerpool": r.askPool,
		"Deal": r.askDeal, "Task": r.askTask, "Contribution": r.askContribution, "Protocol": r.askProtocol,
	} {
		for id := range r.changed[entity] {
			r.world.Put(entity, id, ask(id))
		}
	}
}

func (r *reading) askAccount(id string) referencetest.State {
	account, err := r.client.Account(r.ctx, common.HexToAddress(id), r.at)
	r.must(err)
	score, err := r.client.Score(r.ctx, common.HexToAddress(id), r.at)
	r.must(err)
	return referencetest.State{"balance": account.Stake, "frozen": account.Locked, "score": score}
}

// owner is whose NFT a resource is.
func (r *reading) owner(id string) string {
	owner, err := r.client.Owner(r.ctx, common.HexToAddress(id), r.at)
	r.must(err)
	return hexOf(owner[:])
}

func (r *reading) usage(id string, state referencetest.State) referencetest.State {
	state["usageCount"], state["lastUsageTimestamp"] = counted(r.now.usage[id]), new(big.Int).SetUint64(r.now.used[id])
	return state
}

func (r *reading) handedAt(id string) *big.Int { return new(big.Int).SetUint64(r.now.handed[id]) }

func plainText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func (r *reading) askApp(id string) referencetest.State {
	app, err := r.client.App(r.ctx, common.HexToAddress(id), r.at)
	r.must(err)
	return r.usage(id, referencetest.State{
		"owner": r.owner(id), "name": plainText(app.Name), "type": plainText(app.Type), "multiaddr": hexOf(app.Multiaddr),
		"checksum": hexOf(app.Checksum[:]), "mrenclave": hexOf(app.MREnclave), "timestamp": r.handedAt(id),
	})
}

func (r *reading) askDataset(id string) referencetest.State {
	data, err := r.client.Dataset(r.ctx, common.HexToAddress(id), r.at)
	r.must(err)
	return referencetest.State{
		"owner": r.owner(id), "name": plainText(data.Name), "multiaddr": hexOf(data.Multiaddr), "checksum": hexOf(data.Checksum[:]),
		"timestamp": r.handedAt(id),
	}
}

func (r *reading) askPool(id string) referencetest.State {
	address := common.HexToAddress(id)
	policy, err := r.client.Policy(r.ctx, address, r.at)
	r.must(err)
	var description string
	read := r.client.ReadWorkerpool(address, &description)
	r.must(r.client.Batch(r.ctx, r.at, read))
	r.must(read.Err)
	return r.usage(id, referencetest.State{
		"owner": r.owner(id), "description": plainText(description), "workerStakeRatio": policy.WorkerStakeRatio,
		"schedulerRewardRatio": policy.SchedulerRewardRatio, "timestamp": r.handedAt(id),
	})
}

func (r *reading) viewDeal(id string) contracts.Deal {
	r.t.Helper()
	deal, err := r.client.Deal(r.ctx, common.HexToHash(id), r.at)
	r.must(err)
	return deal
}

func (r *reading) askDeal(id string) referencetest.State {
	d, orders := r.viewDeal(id), r.now.orders[id]
	state := referencetest.State{
		"app": hexOf(d.App.Pointer[:]), "appOwner": hexOf(d.App.Owner[:]), "appPrice": d.App.Price,
		"dataset": hexOf(d.Dataset.Pointer[:]), "datasetOwner": hexOf(d.Dataset.Owner[:]), "datasetPrice": d.Dataset.Price,
		"workerpool": hexOf(d.Workerpool.Pointer[:]), "workerpoolOwner": hexOf(d.Workerpool.Owner[:]), "workerpoolPrice": d.Workerpool.Price,
		"trust": d.Trust, "category": d.Category.String(), "tag": hexOf(d.Tag[:]), "requester": hexOf(d.Requester[:]),
		"beneficiary": hexOf(d.Beneficiary[:]), "callback": hexOf(d.Callback[:]), "params": plainText(d.Params), "startTime": d.StartTime,
		"botFirst": d.BotFirst, "botSize": d.BotSize, "workerStake": d.WorkerStake, "schedulerRewardRatio": d.SchedulerRewardRatio,
		"sponsor": hexOf(d.Sponsor[:]), "completedTasksCount": counted(r.now.completed[id]), "claimedTasksCount": counted(r.now.claimed[id]),
		"timestamp": new(big.Int).SetUint64(r.now.made[id]),
		"apporder":  orders[0], "datasetorder": orders[1], "workerpoolorder": orders[2], "requestorder": orders[3], "bulk": nil,
	}
	var params struct {
		Bulk string `json:"bulk_cid"`
	}
	if d.Dataset.Pointer == (common.Address{}) && json.Unmarshal([]byte(d.Params), &params) == nil && params.Bulk != "" {
		state["bulk"] = id
	}
	return state
}

func (r *reading) viewTask(id string) contracts.Task {
	r.t.Helper()
	task, err := r.client.Task(r.ctx, common.HexToHash(id), r.at)
	r.must(err)
	return task
}

func (r *reading) askTask(id string) referencetest.State {
	t := r.viewTask(id)
	requester := r.viewDeal(hexOf(t.Dealid[:])).Requester
	state := referencetest.State{
		"status": []string{"UNSET", "ACTIVE", "REVEALING", "COMPLETED", "FAILLED"}[t.Status],
		"deal":   hexOf(t.Dealid[:]), "index": t.Idx, "requester": hexOf(requester[:]), "contributions": []string{},
		"contributionDeadline": t.ContributionDeadline, "finalDeadline": t.FinalDeadline, "timestamp": r.time(),
	}
	for _, worker := range t.Contributors {
		state["contributions"] = append(state["contributions"].([]string), id+"-"+hexOf(worker[:]))
	}
	if t.ConsensusValue != (common.Hash{}) {
		state["consensus"], state["revealDeadline"] = hexOf(t.ConsensusValue[:]), t.RevealDeadline
	}
	if t.ResultDigest != (common.Hash{}) {
		state["resultDigest"] = hexOf(t.ResultDigest[:])
	}
	if t.Status == 3 {
		state["results"], state["resultsCallback"] = hexOf(t.Results), hexOf(t.ResultsCallback)
	}
	return state
}

// askContribution: who did not win or did not prove it is rejected once the task is
// completed, though the contracts keep the status (docs/subgraph.md).
func (r *reading) askContribution(id string) referencetest.State {
	task, worker, _ := strings.Cut(id, "-")
	c, err := r.client.Contribution(r.ctx, common.HexToHash(task), common.HexToAddress(worker), r.at)
	r.must(err)
	status := []string{"UNSET", "CONTRIBUTED", "PROVED", "REJECTED"}[c.Status]
	if status == "CONTRIBUTED" && r.viewTask(task).Status == 3 {
		status = "REJECTED"
	}
	return referencetest.State{
		"status": status, "timestamp": int64(r.now.made[id]), "task": task, "worker": worker, "hash": hexOf(c.ResultHash[:]),
		"seal": hexOf(c.ResultSeal[:]), "challenge": hexOf(c.EnclaveChallenge[:]),
	}
}

func (r *reading) askProtocol(string) referencetest.State {
	var supply *big.Int
	read := r.client.ReadSupply(&supply)
	r.must(r.client.Batch(r.ctx, r.at, read))
	r.must(read.Err)
	state := referencetest.State{"tvl": supply}
	for _, what := range []string{"categories", "apps", "datasets", "workerpools", "deals", "tasks", "completedTasks", "claimedTasks"} {
		state[what+"Count"] = counted(r.now.total[what])
	}
	return state
}
