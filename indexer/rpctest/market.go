package rpctest

import (
	"fmt"
	"math/big"
	"math/rand"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"assay/contracts"
	"assay/contracts/bindings"
	"assay/indexer/internal/market"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// Market is PoCo traffic: random but sensible calls, decided by the rules themselves.
type Market struct {
	Dress func(*assaypb.Event) // changes what an event says before it is one; nil: nothing does

	market  *market.Market
	perTurn int // calls in a block
	answers map[string][]byte
}

// MarketPreset is the chain preset of a Market.
func MarketPreset() chains.Preset { return market.Preset }

// NewMarket plays so many calls in each block, picked by a seed. Refused ones leave no
// trace.
func NewMarket(seed int64, calls int) *Market {
	return &Market{market: market.New(rand.New(rand.NewSource(seed)).Intn), perTurn: calls, answers: map[string][]byte{}} //nolint:gosec // it must repeat
}

// Play plays the next block.
func (m *Market) Play(number, _ uint64) (func() []Tx, uint64) {
	parent := m.market.Head().Time
	block := m.market.Grow(m.perTurn)
	if block.Number != number {
		panic(fmt.Sprintf("the market is at block %d, the chain at %d", block.Number, number))
	}
	block = m.market.Head()
	txs := []Tx{{Logs: []Log{{Address: bystander, Topics: []common.Hash{TransferTopic}}}}}
	var last []byte
	for _, event := range block.Events {
		if m.Dress != nil {
			m.Dress(event)
		}
		if string(event.TxHash) != string(last) {
			txs, last = append(txs, Tx{}), event.TxHash
		}
		tx := &txs[len(txs)-1]
		tx.Logs = append(tx.Logs, logOf(event))
		m.remember(event)
	}
	return func() []Tx { return txs }, block.Time - parent
}

// Abandon takes back the newest block.
func (m *Market) Abandon() { m.market.Fork(1) }

// Call answers what events do not carry.
func (m *Market) Call(to common.Address, data []byte) ([]byte, bool) {
	answer, ok := m.answers[string(to[:])+string(data)]
	if !ok && (to == registries[1] || to == registries[2] || to == registries[3]) {
		return make([]byte, common.HashLength), true // isRegistered: no
	}
	return answer, ok
}

var (
	hubABI      = bindings.NewHub().GetABI()
	poolABI     = bindings.NewWorkerpool().GetABI()
	registryABI = bindings.NewAppRegistry().GetABI()
	appABI      = bindings.NewApp().GetABI()
	datasetABI  = bindings.NewDataset().GetABI()
	hubAddress  = common.HexToAddress(market.Preset.Hub)
	registries  = map[assaypb.ResourceKind]common.Address{1: common.HexToAddress(market.Preset.AppRegistry), 2: common.HexToAddress(market.Preset.DatasetRegistry), 3: common.HexToAddress(market.Preset.WorkerpoolRegistry)}
	orderNames  = map[assaypb.OrderKind]string{1: "App", 2: "Dataset", 3: "Workerpool", 4: "Request"}
)

func address(b []byte) common.Address { return common.BytesToAddress(b) }
func hash(b []byte) [32]byte          { return common.BytesToHash(b) }
func number(b []byte) *big.Int        { return new(big.Int).SetBytes(b) }

// emitted is a log of a contract, its arguments in the event's order.
func emitted(emitter common.Address, event abi.Event, arguments ...any) Log {
	log := Log{Address: emitter, Topics: []common.Hash{event.ID}}
	var plain []any
	for i, input := range event.Inputs {
		if !input.Indexed {
			plain = append(plain, arguments[i])
			continue
		}
		switch value := arguments[i].(type) {
		case common.Address:
			log.Topics = append(log.Topics, common.BytesToHash(value[:]))
		case [32]byte:
			log.Topics = append(log.Topics, value)
		case *big.Int:
			log.Topics = append(log.Topics, common.BigToHash(value))
		}
	}
	data, err := event.Inputs.NonIndexed().Pack(plain...)
	if err != nil {
		panic(fmt.Errorf("packing %s: %w", event.Name, err))
	}
	log.Data = data
	return log
}

// logOf is the log that an event was read from.
func logOf(event *assaypb.Event) Log {
	on := func(name string, arguments ...any) Log { return emitted(hubAddress, hubABI.Events[name], arguments...) }
	switch e := event.Body.(type) {
	case *assaypb.Event_Transfer:
		return on("Transfer", address(e.Transfer.From), address(e.Transfer.To), number(e.Transfer.Value))
	case *assaypb.Event_Approval:
		return on("Approval", address(e.Approval.Owner), address(e.Approval.Spender), number(e.Approval.Value))
	case *assaypb.Event_Lock:
		return on("Lock", address(e.Lock.Owner), number(e.Lock.Amount))
	case *assaypb.Event_Unlock:
		return on("Unlock", address(e.Unlock.Owner), number(e.Unlock.Amount))
	case *assaypb.Event_Reward:
		return on("Reward", address(e.Reward.Owner), number(e.Reward.Amount), hash(e.Reward.Ref))
	case *assaypb.Event_Seize:
		return on("Seize", address(e.Seize.Owner), number(e.Seize.Amount), hash(e.Seize.Ref))
	case *assaypb.Event_CreateCategory:
		c := e.CreateCategory
		return on("CreateCategory", number(c.Category), c.Name, c.Description, number(c.WorkClockTimeRef))
	case *assaypb.Event_SchedulerNotice:
		return on("SchedulerNotice", address(e.SchedulerNotice.Workerpool), hash(e.SchedulerNotice.Deal))
	case *assaypb.Event_OrdersMatched:
		o := e.OrdersMatched
		return on("OrdersMatched", hash(o.Deal), hash(o.AppHash), hash(o.DatasetHash), hash(o.WorkerpoolHash), hash(o.RequestHash), number(o.Volume))
	case *assaypb.Event_OrderSigned:
		return on("Signed"+orderNames[e.OrderSigned.Kind]+"Order", hash(e.OrderSigned.Hash))
	case *assaypb.Event_OrderClosed:
		return on("Closed"+orderNames[e.OrderClosed.Kind]+"Order", hash(e.OrderClosed.Hash))
	case *assaypb.Event_ResourceTransfer:
		r := e.ResourceTransfer
		return emitted(registries[r.Kind], registryABI.Events["Transfer"], address(r.From), address(r.To), number(r.Resource))
	case *assaypb.Event_PolicyUpdate:
		p := e.PolicyUpdate
		return emitted(address(p.Workerpool), poolABI.Events["PolicyUpdate"], number(p.OldWorkerStakeRatio), number(p.NewWorkerStakeRatio),
			number(p.OldSchedulerRewardRatio), number(p.NewSchedulerRewardRatio))
	default:
		return taskLogOf(event, on)
	}
}

func taskLogOf(event *assaypb.Event, on func(string, ...any) Log) Log {
	switch e := event.Body.(type) {
	case *assaypb.Event_TaskInitialize:
		return on("TaskInitialize", hash(e.TaskInitialize.Task), address(e.TaskInitialize.Workerpool))
	case *assaypb.Event_TaskContribute:
		return on("TaskContribute", hash(e.TaskContribute.Task), address(e.TaskContribute.Worker), hash(e.TaskContribute.ResultHash))
	case *assaypb.Event_TaskConsensus:
		return on("TaskConsensus", hash(e.TaskConsensus.Task), hash(e.TaskConsensus.Consensus))
	case *assaypb.Event_TaskReveal:
		return on("TaskReveal", hash(e.TaskReveal.Task), address(e.TaskReveal.Worker), hash(e.TaskReveal.Digest))
	case *assaypb.Event_TaskReopen:
		return on("TaskReopen", hash(e.TaskReopen.Task))
	case *assaypb.Event_TaskFinalize:
		return on("TaskFinalize", hash(e.TaskFinalize.Task), e.TaskFinalize.Results)
	case *assaypb.Event_TaskClaimed:
		return on("TaskClaimed", hash(e.TaskClaimed.Task))
	case *assaypb.Event_AccurateContribution:
		return on("AccurateContribution", address(e.AccurateContribution.Worker), hash(e.AccurateContribution.Task))
	case *assaypb.Event_FaultyContribution:
		return on("FaultyContribution", address(e.FaultyContribution.Worker), hash(e.FaultyContribution.Task))
	case *assaypb.Event_DealSponsored:
		return on("DealSponsored", hash(e.DealSponsored.Deal), address(e.DealSponsored.Sponsor))
	default:
		panic(fmt.Sprintf("the market emitted %T", event.Body))
	}
}

// answer says what a view returns.
func (m *Market) answer(to common.Address, contract abi.ABI, view string, arguments []any, results ...any) {
	data, err := contract.Pack(view, arguments...)
	if err != nil {
		panic(fmt.Errorf("packing a call of %s: %w", view, err))
	}
	answer, err := contract.Methods[view].Outputs.Pack(results...)
	if err != nil {
		panic(fmt.Errorf("packing what %s returns: %w", view, err))
	}
	m.answers[string(to[:])+string(data)] = answer
}

// remember makes the views answer what an event of the market carries and its log does not.
func (m *Market) remember(event *assaypb.Event) {
	on := func(view string, id []byte, result any) { m.answer(hubAddress, hubABI, view, []any{hash(id)}, result) }
	task := func(id, deal, index []byte, status uint8, callback []byte) {
		zero := new(big.Int)
		on("viewTask", id, contracts.Task{Status: status, Dealid: hash(deal), Idx: number(index), Timeref: zero, ContributionDeadline: zero,
			RevealDeadline: zero, FinalDeadline: zero, RevealCounter: zero, WinnerCounter: zero, ResultsTimestamp: zero, ResultsCallback: callback})
	}
	switch e := event.Body.(type) {
	case *assaypb.Event_OrdersMatched:
		on("viewDeal", e.OrdersMatched.Deal, dealOf(e.OrdersMatched.Body))
	case *assaypb.Event_TaskInitialize:
		task(e.TaskInitialize.Task, e.TaskInitialize.Deal, e.TaskInitialize.Index, 1, nil)
	case *assaypb.Event_TaskFinalize:
		id := hash(e.TaskFinalize.Task)
		t, _ := m.market.State.Task(id)
		index := new(big.Int).SetUint64(t.Index)
		task(e.TaskFinalize.Task, t.Deal[:], index.Bytes(), 3, e.TaskFinalize.ResultsCallback)
	case *assaypb.Event_TaskContribute:
		c := e.TaskContribute
		m.answer(hubAddress, hubABI, "viewContribution", []any{hash(c.Task), address(c.Worker)}, contracts.Contribution{
			Status: 1, ResultHash: hash(c.ResultHash), ResultSeal: hash(c.ResultSeal), EnclaveChallenge: address(c.EnclaveChallenge), Weight: new(big.Int)})
	case *assaypb.Event_OrderSigned:
		on("viewPresigned", e.OrderSigned.Hash, address(e.OrderSigned.Signer))
	case *assaypb.Event_OrderClosed:
		on("viewConsumed", e.OrderClosed.Hash, number(e.OrderClosed.Volume))
	case *assaypb.Event_ResourceTransfer:
		m.register(e.ResourceTransfer)
	}
}

func (m *Market) register(r *assaypb.ResourceTransfer) {
	at := address(r.Resource)
	m.answer(registries[r.Kind], registryABI, "isRegistered", []any{at}, true)
	if r.Body == nil {
		return
	}
	switch r.Kind {
	case assaypb.ResourceKind_RESOURCE_KIND_APP:
		m.answer(at, appABI, "m_appName", nil, r.Body.Name)
		m.answer(at, appABI, "m_appType", nil, r.Body.Type)
		m.answer(at, appABI, "m_appMultiaddr", nil, r.Body.Multiaddr)
		m.answer(at, appABI, "m_appChecksum", nil, hash(r.Body.Checksum))
		m.answer(at, appABI, "m_appMREnclave", nil, r.Body.Mrenclave)
	case assaypb.ResourceKind_RESOURCE_KIND_DATASET:
		m.answer(at, datasetABI, "m_datasetName", nil, r.Body.Name)
		m.answer(at, datasetABI, "m_datasetMultiaddr", nil, r.Body.Multiaddr)
		m.answer(at, datasetABI, "m_datasetChecksum", nil, hash(r.Body.Checksum))
	default:
		m.answer(at, poolABI, "m_workerpoolDescription", nil, r.Body.Name)
	}
}

// dealOf is a deal as the contract returns it.
func dealOf(d *assaypb.Deal) contracts.Deal {
	resource := func(p *assaypb.Priced) bindings.IexecLibCoreV5Resource {
		return bindings.IexecLibCoreV5Resource{Pointer: address(p.GetPointer()), Owner: address(p.GetOwner()), Price: number(p.GetPrice())}
	}
	uint := func(n uint64) *big.Int { return new(big.Int).SetUint64(n) }
	return contracts.Deal{
		App: resource(d.App), Dataset: resource(d.Dataset), Workerpool: resource(d.Workerpool), Trust: number(d.Trust), Category: number(d.Category),
		Tag: hash(d.Tag), Requester: address(d.Requester), Beneficiary: address(d.Beneficiary), Callback: address(d.Callback), Params: d.Params,
		StartTime: uint(d.StartTime), BotFirst: uint(d.BotFirst), BotSize: uint(d.BotSize), WorkerStake: number(d.WorkerStake),
		SchedulerRewardRatio: number(d.SchedulerRewardRatio), Sponsor: address(d.Sponsor),
	}
}
