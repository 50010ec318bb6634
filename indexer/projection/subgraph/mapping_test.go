package subgraph_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"

	"assay/contracts"
	"assay/schema/assaypb"
)

// mapping computes the entities a second time, in the way of graph-node: one handler for
// each event, which loads entities from a store, edits their fields and saves them. It reads
// messages, not the rules' events, keeps balances, scores and statuses itself, and sees each
// moment as it was rather than as the block left it. It knows nothing of forks: it is played
// the canonical chain from its beginning.
type mapping struct {
	store   map[string]map[string]fields // type, id
	history map[string]map[string]fields // type, id@block
	block   *assaypb.Block
	event   *assaypb.Event
	tx      string
	domain  contracts.Domain
}

// fields are an entity's, spelled as the rows are.
type fields map[string]string

const null = "null"

func newMapping(domain contracts.Domain) *mapping {
	return &mapping{store: map[string]map[string]fields{}, history: map[string]map[string]fields{}, domain: domain}
}

func (m *mapping) load(kind, id string) fields {
	if e, ok := m.store[kind][id]; ok {
		return maps.Clone(e)
	}
	return nil
}

func (m *mapping) save(kind, id string, e fields) {
	e = maps.Clone(e)
	e["id"], e["block_number"] = id, fmt.Sprint(m.block.Number)
	if m.store[kind] == nil {
		m.store[kind], m.history[kind] = map[string]fields{}, map[string]fields{}
	}
	m.store[kind][id] = e
	m.history[kind][id+"@"+e["block_number"]] = e
}

// edit loads, edits and saves.
func (m *mapping) edit(kind, id string, change func(fields)) {
	e := m.load(kind, id)
	if e == nil {
		panic("there is no " + kind + " " + id)
	}
	change(e)
	m.save(kind, id, e)
}

func (m *mapping) play(block *assaypb.Block) {
	m.block, m.tx = block, ""
	for _, event := range block.Events {
		m.event = event
		m.handle(event)
	}
}

func x(b []byte) string { return "0x" + hex.EncodeToString(b) }
func n(b []byte) string { return new(big.Int).SetBytes(b).String() }
func u(v uint64) string { return fmt.Sprint(v) }

func sum(a, b string, sign int64) string {
	x, _ := new(big.Int).SetString(a, 10)
	y, _ := new(big.Int).SetString(b, 10)
	return x.Add(x, y.Mul(y, big.NewInt(sign))).String()
}

var nobody = x(make([]byte, 20))

// account is fetchAccount of the official subgraph, and saves what is new.
func (m *mapping) account(id string) string {
	if m.load("Account", id) == nil {
		m.save("Account", id, fields{"balance": "0", "frozen": "0", "score": "0"})
	}
	return id
}

func (m *mapping) add(account, field, amount string, sign int64) {
	m.account(account)
	m.edit("Account", account, func(e fields) { e[field] = sum(e[field], amount, sign) })
}

func (m *mapping) total(change func(fields)) {
	if m.load("Protocol", "iExec") == nil {
		m.save("Protocol", "iExec", fields{
			"categoriesCount": "0", "appsCount": "0", "datasetsCount": "0", "workerpoolsCount": "0", "dealsCount": "0",
			"tasksCount": "0", "completedTasksCount": "0", "claimedTasksCount": "0", "tvl": "0",
		})
	}
	m.edit("Protocol", "iExec", change)
}

// log saves an event's entity and its transaction.
func (m *mapping) log(kind string, e fields) {
	m.save("Transaction", x(m.event.TxHash), m.transaction())
	e["transaction"], e["timestamp"] = x(m.event.TxHash), u(m.block.Time)
	m.save(kind, fmt.Sprintf("%d-%d", m.block.Number, m.event.LogIndex), e)
}

func (m *mapping) transaction() fields {
	e := fields{"from": null, "to": null, "value": "0", "gasLimit": "0", "gasUsed": "0", "gasPrice": "0",
		"timestamp": u(m.block.Time), "blockNumber": u(m.block.Number)}
	for _, tx := range m.block.Transactions {
		if x(tx.Hash) != x(m.event.TxHash) {
			continue
		}
		e["from"], e["value"], e["gasLimit"], e["gasUsed"], e["gasPrice"] = m.account(x(tx.From)), n(tx.Value), u(tx.GasLimit), u(tx.GasUsed), n(tx.GasPrice)
		if len(tx.To) > 0 {
			e["to"] = m.account(x(tx.To))
		}
	}
	return e
}

func (m *mapping) handle(event *assaypb.Event) {
	switch body := event.Body.(type) {
	case *assaypb.Event_Transfer:
		e := body.Transfer
		from, to, value := x(e.From), x(e.To), n(e.Value)
		if m.account(from) == nobody {
			m.total(func(p fields) { p["tvl"] = sum(p["tvl"], value, 1) })
		} else {
			m.add(from, "balance", value, -1)
		}
		if m.account(to) == nobody {
			m.total(func(p fields) { p["tvl"] = sum(p["tvl"], value, -1) })
		} else {
			m.add(to, "balance", value, 1)
		}
		m.log("Transfer", fields{"from": from, "to": to, "value": value})
	case *assaypb.Event_Lock:
		m.add(x(body.Lock.Owner), "frozen", n(body.Lock.Amount), 1)
		m.log("Lock", fields{"account": x(body.Lock.Owner), "value": n(body.Lock.Amount)})
	case *assaypb.Event_Unlock:
		m.add(x(body.Unlock.Owner), "frozen", n(body.Unlock.Amount), -1)
		m.log("Unlock", fields{"account": x(body.Unlock.Owner), "value": n(body.Unlock.Amount)})
	case *assaypb.Event_Seize:
		m.add(x(body.Seize.Owner), "frozen", n(body.Seize.Amount), -1)
		m.log("Seize", fields{"account": x(body.Seize.Owner), "value": n(body.Seize.Amount), "task": x(body.Seize.Ref)})
	case *assaypb.Event_Reward:
		m.account(x(body.Reward.Owner))
		m.log("Reward", fields{"account": x(body.Reward.Owner), "value": n(body.Reward.Amount), "task": x(body.Reward.Ref)})
	case *assaypb.Event_CreateCategory:
		e := body.CreateCategory
		m.save("Category", n(e.Category), fields{"name": e.Name, "description": e.Description, "workClockTimeRef": n(e.WorkClockTimeRef), "timestamp": u(m.block.Time)})
		m.total(func(p fields) { p["categoriesCount"] = sum(p["categoriesCount"], "1", 1) })
		m.save("Transaction", x(m.event.TxHash), m.transaction())
	case *assaypb.Event_SchedulerNotice:
		m.log("SchedulerNotice", fields{"workerpool": x(body.SchedulerNotice.Workerpool), "deal": x(body.SchedulerNotice.Deal)})
	case *assaypb.Event_SchedulerNoticeBoost:
		m.log("SchedulerNotice", fields{"workerpool": x(body.SchedulerNoticeBoost.Workerpool), "deal": x(body.SchedulerNoticeBoost.Deal)})
	case *assaypb.Event_OrdersMatched:
		m.match(body.OrdersMatched)
	case *assaypb.Event_BroadcastOrder:
		m.broadcast(body.BroadcastOrder)
	case *assaypb.Event_ResourceTransfer:
		m.resource(body.ResourceTransfer)
	case *assaypb.Event_PolicyUpdate:
		m.policy(body.PolicyUpdate)
	default:
		m.work(event)
	}
}

func (m *mapping) resource(e *assaypb.ResourceTransfer) {
	kind := map[assaypb.ResourceKind]string{1: "App", 2: "Dataset", 3: "Workerpool"}[e.Kind]
	id, from, to := x(e.Resource), m.account(x(e.From)), m.account(x(e.To))
	if from == nobody {
		of := map[string]fields{
			"App": {"name": e.Body.Name, "type": e.Body.Type, "multiaddr": x(e.Body.Multiaddr), "checksum": x(e.Body.Checksum),
				"mrenclave": x(e.Body.Mrenclave), "usageCount": "0", "lastUsageTimestamp": "0"},
			"Dataset": {"name": e.Body.Name, "multiaddr": x(e.Body.Multiaddr), "checksum": x(e.Body.Checksum)},
			"Workerpool": {"description": e.Body.Name, "workerStakeRatio": "30", "schedulerRewardRatio": "1",
				"usageCount": "0", "lastUsageTimestamp": "0"},
		}[kind]
		m.save(kind, id, of)
		counter := strings.ToLower(kind) + "sCount"
		m.total(func(p fields) { p[counter] = sum(p[counter], "1", 1) })
	}
	m.edit(kind, id, func(r fields) { r["owner"], r["timestamp"] = to, u(m.block.Time) })
	m.log(kind+"Transfer", fields{strings.ToLower(kind): id, "from": from, "to": to})
}

func (m *mapping) policy(e *assaypb.PolicyUpdate) {
	if m.load("Workerpool", x(e.Workerpool)) == nil {
		return
	}
	m.edit("Workerpool", x(e.Workerpool), func(w fields) {
		w["workerStakeRatio"], w["schedulerRewardRatio"] = n(e.NewWorkerStakeRatio), n(e.NewSchedulerRewardRatio)
	})
	m.log("PolicyUpdate", fields{
		"workerpool": x(e.Workerpool), "oldWorkerStakeRatio": n(e.OldWorkerStakeRatio), "newWorkerStakeRatio": n(e.NewWorkerStakeRatio),
		"oldSchedulerRewardRatio": n(e.OldSchedulerRewardRatio), "newSchedulerRewardRatio": n(e.NewSchedulerRewardRatio),
	})
}

func (m *mapping) match(e *assaypb.OrdersMatched) {
	d := e.Body
	id, none := x(e.Deal), x(make([]byte, 32))
	for _, a := range [][]byte{d.Requester, d.Beneficiary, d.Callback, d.Sponsor, d.App.Owner, d.Dataset.Owner, d.Workerpool.Owner} {
		m.account(x(a))
	}
	deal := fields{
		"app": x(d.App.Pointer), "appOwner": x(d.App.Owner), "appPrice": n(d.App.Price),
		"dataset": x(d.Dataset.Pointer), "datasetOwner": x(d.Dataset.Owner), "datasetPrice": n(d.Dataset.Price),
		"workerpool": x(d.Workerpool.Pointer), "workerpoolOwner": x(d.Workerpool.Owner), "workerpoolPrice": n(d.Workerpool.Price),
		"trust": n(d.Trust), "category": n(d.Category), "tag": x(d.Tag), "requester": x(d.Requester), "beneficiary": x(d.Beneficiary),
		"callback": x(d.Callback), "params": d.Params, "startTime": u(d.StartTime), "botFirst": u(d.BotFirst), "botSize": u(d.BotSize),
		"completedTasksCount": "0", "claimedTasksCount": "0", "workerStake": n(d.WorkerStake), "schedulerRewardRatio": n(d.SchedulerRewardRatio),
		"sponsor": x(d.Sponsor), "timestamp": u(m.block.Time),
		"apporder": x(e.AppHash), "datasetorder": x(e.DatasetHash), "workerpoolorder": x(e.WorkerpoolHash), "requestorder": x(e.RequestHash),
		"bulk": null,
	}
	if deal["datasetorder"] == none {
		deal["datasetorder"] = null
	}
	var params any
	if json.Unmarshal([]byte(d.Params), &params) == nil && deal["dataset"] == nobody {
		object, _ := params.(map[string]any)
		if _, list := object["bulk_cid"].(string); list {
			deal["bulk"] = id
		}
	}
	m.save("Deal", id, deal)

	unknown := func(of fields, names ...string) fields {
		for _, name := range append(names, "volume", "tag", "requesterrestrict", "salt", "sign") {
			of[name] = null
		}
		return of
	}
	m.order("AppOrder", x(e.AppHash), unknown(fields{"app": deal["app"], "appprice": deal["appPrice"]}, "datasetrestrict", "workerpoolrestrict"))
	if deal["datasetorder"] != null {
		m.order("DatasetOrder", x(e.DatasetHash), unknown(fields{"dataset": deal["dataset"], "datasetprice": deal["datasetPrice"]}, "apprestrict", "workerpoolrestrict"))
	}
	m.order("WorkerpoolOrder", x(e.WorkerpoolHash), unknown(fields{"workerpool": deal["workerpool"], "workerpoolprice": deal["workerpoolPrice"],
		"category": deal["category"]}, "trust", "apprestrict", "datasetrestrict"))
	request := unknown(fields{"app": deal["app"], "dataset": deal["dataset"], "requester": deal["requester"], "category": deal["category"],
		"beneficiary": deal["beneficiary"], "callback": deal["callback"], "params": deal["params"], "trust": deal["trust"]},
		"appmaxprice", "datasetmaxprice", "workerpool", "workerpoolmaxprice")
	delete(request, "requesterrestrict")
	if request["trust"] == "0" || request["trust"] == "1" {
		request["trust"] = null
	}
	m.order("RequestOrder", x(e.RequestHash), request)

	for kind, resource := range map[string]string{"App": deal["app"], "Workerpool": deal["workerpool"]} {
		m.edit(kind, resource, func(r fields) {
			r["usageCount"], r["lastUsageTimestamp"] = sum(r["usageCount"], n(e.Volume), 1), u(m.block.Time)
		})
	}
	m.total(func(p fields) {
		p["dealsCount"], p["tasksCount"] = sum(p["dealsCount"], "1", 1), sum(p["tasksCount"], n(e.Volume), 1)
	})
	m.log("OrdersMatched", fields{"deal": id})
}

// order saves one that is mentioned for the first time.
func (m *mapping) order(kind, id string, e fields) {
	if m.load(kind, id) == nil {
		m.save(kind, id, e)
	}
}

func (m *mapping) broadcast(e *assaypb.BroadcastOrder) {
	order, err := contracts.ReadBroadcast(e)
	if err != nil {
		return
	}
	hash := order.Hash(m.domain)
	id := x(hash[:])
	switch o := order.(type) {
	case contracts.AppOrder:
		if m.load("App", x(o.App[:])) != nil {
			m.order("AppOrder", id, fields{"app": x(o.App[:]), "appprice": o.Appprice.String(), "volume": o.Volume.String(), "tag": x(o.Tag[:]),
				"datasetrestrict": x(o.Datasetrestrict[:]), "workerpoolrestrict": x(o.Workerpoolrestrict[:]),
				"requesterrestrict": x(o.Requesterrestrict[:]), "salt": x(o.Salt[:]), "sign": x(o.Sign)})
		}
	case contracts.DatasetOrder:
		if m.load("Dataset", x(o.Dataset[:])) != nil {
			m.order("DatasetOrder", id, fields{"dataset": x(o.Dataset[:]), "datasetprice": o.Datasetprice.String(), "volume": o.Volume.String(),
				"tag": x(o.Tag[:]), "apprestrict": x(o.Apprestrict[:]), "workerpoolrestrict": x(o.Workerpoolrestrict[:]),
				"requesterrestrict": x(o.Requesterrestrict[:]), "salt": x(o.Salt[:]), "sign": x(o.Sign)})
		}
	case contracts.WorkerpoolOrder:
		if m.load("Workerpool", x(o.Workerpool[:])) != nil {
			m.order("WorkerpoolOrder", id, fields{"workerpool": x(o.Workerpool[:]), "workerpoolprice": o.Workerpoolprice.String(),
				"volume": o.Volume.String(), "tag": x(o.Tag[:]), "category": o.Category.String(), "trust": o.Trust.String(),
				"apprestrict": x(o.Apprestrict[:]), "datasetrestrict": x(o.Datasetrestrict[:]),
				"requesterrestrict": x(o.Requesterrestrict[:]), "salt": x(o.Salt[:]), "sign": x(o.Sign)})
		}
	case contracts.RequestOrder:
		if m.load("App", x(o.App[:])) != nil {
			m.order("RequestOrder", id, fields{"app": x(o.App[:]), "appmaxprice": o.Appmaxprice.String(), "dataset": x(o.Dataset[:]),
				"datasetmaxprice": o.Datasetmaxprice.String(), "workerpool": x(o.Workerpool[:]), "workerpoolmaxprice": o.Workerpoolmaxprice.String(),
				"requester": m.account(x(o.Requester[:])), "volume": o.Volume.String(), "tag": x(o.Tag[:]), "category": o.Category.String(),
				"trust": o.Trust.String(), "beneficiary": m.account(x(o.Beneficiary[:])), "callback": m.account(x(o.Callback[:])),
				"params": o.Params, "salt": x(o.Salt[:]), "sign": x(o.Sign)})
		}
	}
}

// work handles what happens to tasks.
func (m *mapping) work(event *assaypb.Event) {
	switch body := event.Body.(type) {
	case *assaypb.Event_TaskInitialize:
		e := body.TaskInitialize
		deal := m.load("Deal", x(e.Deal))
		clock := m.load("Category", deal["category"])["workClockTimeRef"]
		m.save("Task", x(e.Task), fields{
			"status": "ACTIVE", "deal": x(e.Deal), "index": n(e.Index), "requester": deal["requester"], "contributions": "[]",
			"consensus": null, "resultDigest": null, "results": null, "resultsCallback": null, "revealDeadline": null,
			"contributionDeadline": sum(deal["startTime"], clock, 7), "finalDeadline": sum(deal["startTime"], clock, 10), "timestamp": u(m.block.Time),
		})
		m.log("TaskInitialize", fields{"task": x(e.Task), "workerpool": x(e.Workerpool)})
	case *assaypb.Event_TaskContribute:
		e := body.TaskContribute
		id := x(e.Task) + "-" + x(e.Worker)
		m.save("Contribution", id, fields{
			"status": "CONTRIBUTED", "timestamp": u(m.block.Time), "task": x(e.Task), "worker": m.account(x(e.Worker)),
			"hash": x(e.ResultHash), "seal": x(e.ResultSeal), "challenge": x(e.EnclaveChallenge),
		})
		m.task(e.Task, func(t fields) {
			t["contributions"] = strings.Replace(strings.Replace(t["contributions"], "]", " "+id+"]", 1), "[ ", "[", 1)
		})
		m.log("TaskContribute", fields{"task": x(e.Task), "worker": x(e.Worker), "hash": x(e.ResultHash)})
	case *assaypb.Event_TaskConsensus:
		e := body.TaskConsensus
		m.task(e.Task, func(t fields) {
			clock := m.load("Category", m.load("Deal", t["deal"])["category"])["workClockTimeRef"]
			t["status"], t["consensus"], t["revealDeadline"] = "REVEALING", x(e.Consensus), sum(u(m.block.Time), clock, 2)
		})
		m.log("TaskConsensus", fields{"task": x(e.Task), "consensus": x(e.Consensus)})
	case *assaypb.Event_TaskReveal:
		e := body.TaskReveal
		m.task(e.Task, func(t fields) { t["resultDigest"] = x(e.Digest) })
		m.edit("Contribution", x(e.Task)+"-"+x(e.Worker), func(c fields) { c["status"] = "PROVED" })
		m.log("TaskReveal", fields{"task": x(e.Task), "worker": x(e.Worker), "digest": x(e.Digest)})
	case *assaypb.Event_TaskReopen:
		id := body.TaskReopen.Task
		consensus := m.load("Task", x(id))["consensus"]
		m.reject(id, func(c fields) bool { return c["hash"] == consensus })
		m.task(id, func(t fields) { t["status"], t["consensus"], t["revealDeadline"] = "ACTIVE", null, null })
		m.log("TaskReopen", fields{"task": x(id)})
	case *assaypb.Event_TaskFinalize:
		e := body.TaskFinalize
		m.reject(e.Task, func(fields) bool { return true })
		m.task(e.Task, func(t fields) {
			t["status"], t["results"], t["resultsCallback"] = "COMPLETED", x(e.Results), x(e.ResultsCallback)
		})
		m.ended(m.load("Task", x(e.Task))["deal"], "completedTasksCount")
		m.log("TaskFinalize", fields{"task": x(e.Task), "results": x(e.Results)})
	case *assaypb.Event_TaskClaimed:
		m.claim(body.TaskClaimed.Task)
	case *assaypb.Event_ResultPushedBoost:
		e := body.ResultPushedBoost
		index := append(make([]byte, 32-len(e.Index)), e.Index...)
		task := crypto.Keccak256(e.Deal, index)
		m.boost(task, x(e.Deal), n(e.Index), fields{"status": "COMPLETED", "results": x(e.Results), "resultsCallback": "0x"})
		m.ended(x(e.Deal), "completedTasksCount")
		m.log("TaskFinalize", fields{"task": x(task), "results": x(e.Results)})
	case *assaypb.Event_AccurateContribution:
		e := body.AccurateContribution
		m.score("AccurateContribution", e.Worker, e.Task, func(score *big.Int) { score.Add(score, big.NewInt(1)) })
	case *assaypb.Event_FaultyContribution:
		e := body.FaultyContribution
		m.score("FaultyContribution", e.Worker, e.Task, func(score *big.Int) {
			score.Sub(score, new(big.Int).Div(new(big.Int).Add(score, big.NewInt(2)), big.NewInt(3)))
		})
	}
}

func (m *mapping) task(id []byte, change func(fields)) {
	m.edit("Task", x(id), func(t fields) {
		t["timestamp"] = u(m.block.Time)
		change(t)
	})
}

func (m *mapping) reject(task []byte, lost func(fields) bool) {
	for _, id := range slices.Sorted(maps.Keys(m.store["Contribution"])) {
		c := m.load("Contribution", id)
		if c["task"] == x(task) && c["status"] == "CONTRIBUTED" && lost(c) {
			m.edit("Contribution", id, func(c fields) { c["status"] = "REJECTED" })
		}
	}
}

func (m *mapping) ended(deal, counter string) {
	m.edit("Deal", deal, func(d fields) { d[counter] = sum(d[counter], "1", 1) })
	m.total(func(p fields) { p[counter] = sum(p[counter], "1", 1) })
}

func (m *mapping) claim(task []byte) {
	if t := m.load("Task", x(task)); t != nil {
		m.task(task, func(t fields) { t["status"] = "FAILLED" })
		m.ended(t["deal"], "claimedTasksCount")
		m.log("TaskClaimed", fields{"task": x(task)})
		return
	}
	for _, id := range slices.Sorted(maps.Keys(m.store["Deal"])) { // Boost
		for index := range 5 {
			deal, err := hex.DecodeString(id[2:])
			if err != nil {
				panic(err)
			}
			if x(crypto.Keccak256(deal, append(make([]byte, 31), byte(index)))) != x(task) {
				continue
			}
			m.boost(task, id, fmt.Sprint(index), fields{"status": "FAILLED", "results": null, "resultsCallback": null})
			m.ended(id, "claimedTasksCount")
			m.log("TaskClaimed", fields{"task": x(task)})
		}
	}
}

// boost saves a Boost deal's task, of which nothing is known before it ends.
func (m *mapping) boost(task []byte, id, index string, t fields) {
	deal := m.load("Deal", id)
	deadline := sum(deal["startTime"], m.load("Category", deal["category"])["workClockTimeRef"], 7)
	maps.Copy(t, fields{
		"deal": id, "index": index, "requester": deal["requester"], "contributions": "[]", "consensus": null, "resultDigest": null,
		"revealDeadline": null, "contributionDeadline": deadline, "finalDeadline": deadline, "timestamp": u(m.block.Time),
	})
	m.save("Task", x(task), t)
}

func (m *mapping) score(kind string, worker, task []byte, change func(*big.Int)) {
	m.account(x(worker))
	score, _ := new(big.Int).SetString(m.load("Account", x(worker))["score"], 10)
	change(score)
	m.edit("Account", x(worker), func(a fields) { a["score"] = score.String() })
	m.log(kind, fields{"account": x(worker), "contribution": x(task) + "-" + x(worker), "score": score.String()})
}
