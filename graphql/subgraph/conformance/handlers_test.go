package conformance_test

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"assay/contracts"
	"assay/graphql/subgraph/referencetest"
)

// handlers are what the hub's and the workerpools' events do to entities, by their names in
// the ABI.
var handlers = map[string]func(*reading){
	"Transfer": func(r *reading) {
		r.event("Transfer", referencetest.State{"from": r.moved(r.address("from")), "to": r.moved(r.address("to")), "value": r.number("value")})
		if r.address("from") == zero || r.address("to") == zero {
			r.count("tvl", 0)
		}
	},
	"Reward": func(r *reading) {
		r.event("Reward", referencetest.State{"account": r.account(r.address("owner")), "value": r.number("amount"), "task": r.word("ref")})
	},
	"Seize": func(r *reading) {
		r.event("Seize", referencetest.State{"account": r.moved(r.address("owner")), "value": r.number("amount"), "task": r.word("ref")})
	},
	"Lock": func(r *reading) {
		r.event("Lock", referencetest.State{"account": r.moved(r.address("owner")), "value": r.number("amount")})
	},
	"Unlock": func(r *reading) {
		r.event("Unlock", referencetest.State{"account": r.moved(r.address("owner")), "value": r.number("amount")})
	},
	"AccurateContribution": func(r *reading) { r.scored("AccurateContribution") },
	"FaultyContribution":   func(r *reading) { r.scored("FaultyContribution") },
	"CreateCategory": func(r *reading) {
		r.transaction()
		r.world.Put("Category", r.number("catid").String(), referencetest.State{
			"name": plainText(r.args["name"].(string)), "description": plainText(r.args["description"].(string)),
			"workClockTimeRef": r.number("workClockTimeRef"), "timestamp": r.time(),
		})
		r.count("categories", 1)
	},
	"SchedulerNotice": func(r *reading) {
		r.event("SchedulerNotice", referencetest.State{"workerpool": r.address("workerpool"), "deal": r.word("dealid")})
	},
	"PolicyUpdate":             (*reading).policy,
	"OrdersMatched":            (*reading).matched,
	"BroadcastAppOrder":        (*reading).broadcastApp,
	"BroadcastDatasetOrder":    (*reading).broadcastDataset,
	"BroadcastWorkerpoolOrder": (*reading).broadcastPool,
	"BroadcastRequestOrder":    (*reading).broadcastRequest,
	"TaskInitialize": func(r *reading) {
		r.step("TaskInitialize", referencetest.State{"workerpool": r.address("workerpool")})
	},
	"TaskContribute": func(r *reading) {
		r.now.made[r.contribution()] = r.block.Time
		r.step("TaskContribute", referencetest.State{"worker": r.account(r.address("worker")), "hash": r.word("hash")})
	},
	"TaskConsensus": func(r *reading) { r.step("TaskConsensus", referencetest.State{"consensus": r.word("consensus")}) },
	"TaskReveal": func(r *reading) {
		r.contribution()
		r.step("TaskReveal", referencetest.State{"worker": r.account(r.address("worker")), "digest": r.word("digest")})
	},
	"TaskReopen": func(r *reading) {
		r.reject("REJECTED")
		r.step("TaskReopen", referencetest.State{})
	},
	"TaskFinalize": func(r *reading) {
		r.reject("CONTRIBUTED")
		r.step("TaskFinalize", referencetest.State{"results": hexOf(r.args["results"].([]byte))})
		r.ended(r.now.completed, "completedTasks")
	},
	"TaskClaimed": func(r *reading) {
		r.step("TaskClaimed", referencetest.State{})
		r.ended(r.now.claimed, "claimedTasks")
	},
}

// scored is of a worker whose score the block changes once.
func (r *reading) scored(entity string) {
	worker := r.touch("Account", r.address("worker"))
	score, err := r.client.Score(r.ctx, common.HexToAddress(worker), r.at)
	r.must(err)
	r.event(entity, referencetest.State{"account": worker, "contribution": r.word("taskid") + "-" + worker, "score": score})
}

// step is an event of a task.
func (r *reading) step(entity string, fields referencetest.State) {
	fields["task"] = r.touch("Task", r.word("taskid"))
	r.event(entity, fields)
}

// contribution is the one of the event's task and worker.
func (r *reading) contribution() string {
	return r.touch("Contribution", r.word("taskid")+"-"+r.address("worker"))
}

// reject notes the contributions of the event's task that are rejected now, and were not
// before: after the block the contracts give them a status.
func (r *reading) reject(status string) {
	id := r.word("taskid")
	for _, worker := range r.viewTask(id).Contributors {
		contribution := id + "-" + hexOf(worker[:])
		c, err := r.client.Contribution(r.ctx, common.HexToHash(id), worker, r.at)
		r.must(err)
		if []string{"UNSET", "CONTRIBUTED", "PROVED", "REJECTED"}[c.Status] != status || r.world.Get("Contribution", contribution)["status"] == "REJECTED" {
			continue
		}
		r.touch("Contribution", contribution)
	}
}

// ended counts a task that has ended.
func (r *reading) ended(of map[string]int64, what string) {
	task := r.viewTask(r.word("taskid"))
	deal := r.touch("Deal", hexOf(task.Dealid[:]))
	of[deal]++
	r.count(what, 1)
}

// handed is a resource's NFT going from one owner to another, or to its first.
func (r *reading) handed() {
	kind := map[common.Address]string{r.market.at.AppRegistry: "App", r.market.at.DatasetRegistry: "Dataset", r.market.at.WorkerpoolRegistry: "Workerpool"}[r.log.Address]
	resource := r.touch(kind, hexOf(common.BigToAddress(r.number("tokenId")).Bytes()))
	r.now.handed[resource] = r.block.Time
	field := map[string]string{"App": "app", "Dataset": "dataset", "Workerpool": "workerpool"}[kind]
	r.event(kind+"Transfer", referencetest.State{field: resource, "from": r.account(r.address("from")), "to": r.account(r.address("to"))})
	if r.address("from") == zero {
		r.count(field+"s", 1)
	}
}

func (r *reading) policy() {
	pool := hexOf(r.log.Address[:])
	if !r.world.Has("Workerpool", pool) {
		return
	}
	r.touch("Workerpool", pool)
	r.event("PolicyUpdate", referencetest.State{
		"workerpool":          pool,
		"oldWorkerStakeRatio": r.number("oldWorkerStakeRatioPolicy"), "newWorkerStakeRatio": r.number("newWorkerStakeRatioPolicy"),
		"oldSchedulerRewardRatio": r.number("oldSchedulerRewardRatioPolicy"), "newSchedulerRewardRatio": r.number("newSchedulerRewardRatioPolicy"),
	})
}

func (r *reading) matched() {
	id, volume := r.touch("Deal", r.word("dealid")), r.number("volume").Int64()
	d := r.viewDeal(id)
	for _, a := range []common.Address{d.Requester, d.Beneficiary, d.Callback, d.Sponsor, d.App.Owner, d.Dataset.Owner, d.Workerpool.Owner} {
		r.account(hexOf(a[:]))
	}
	r.now.made[id] = r.block.Time
	r.now.orders[id] = [4]any{r.orderOf("appHash"), r.orderOf("datasetHash"), r.orderOf("workerpoolHash"), r.orderOf("requestHash")}
	r.ordered(d)
	for entity, a := range map[string]common.Address{"App": d.App.Pointer, "Workerpool": d.Workerpool.Pointer} {
		resource := r.touch(entity, hexOf(a[:]))
		r.now.usage[resource] += volume
		r.now.used[resource] = r.block.Time
	}
	r.count("deals", 1)
	r.count("tasks", volume)
	r.event("OrdersMatched", referencetest.State{"deal": id})
}

// orderOf is a reference to an order; there need be none of a dataset.
func (r *reading) orderOf(name string) any {
	if id := r.word(name); id != fmt.Sprintf("0x%064x", 0) {
		return id
	}
	return nil
}

// ordered makes of a deal's orders what the deal tells of them, where they are not known.
func (r *reading) ordered(d contracts.Deal) {
	dataset, category := hexOf(d.Dataset.Pointer[:]), d.Category.String()
	request := referencetest.State{
		"app": hexOf(d.App.Pointer[:]), "dataset": dataset, "requester": hexOf(d.Requester[:]), "category": category,
		"beneficiary": hexOf(d.Beneficiary[:]), "callback": hexOf(d.Callback[:]), "params": plainText(d.Params),
	}
	if d.Trust.Cmp(big.NewInt(1)) > 0 {
		request["trust"] = d.Trust
	}
	r.order("AppOrder", r.word("appHash"), referencetest.State{"app": hexOf(d.App.Pointer[:]), "appprice": d.App.Price})
	if dataset != zero {
		r.order("DatasetOrder", r.word("datasetHash"), referencetest.State{"dataset": dataset, "datasetprice": d.Dataset.Price})
	}
	r.order("WorkerpoolOrder", r.word("workerpoolHash"), referencetest.State{"workerpool": hexOf(d.Workerpool.Pointer[:]), "workerpoolprice": d.Workerpool.Price, "category": category})
	r.order("RequestOrder", r.word("requestHash"), request)
}

func (r *reading) order(entity, id string, state referencetest.State) {
	if !r.world.Has(entity, id) {
		r.world.Put(entity, id, state)
	}
}

// told is the order that a Broadcast event carries.
func told[O any](r *reading, name string) O {
	var as O
	return abi.ConvertType(r.args[name], as).(O)
}

func (r *reading) broadcastApp() {
	o := told[contracts.AppOrder](r, "apporder")
	r.order("AppOrder", hashOf(o.Hash(r.domain)), referencetest.State{
		"app": hexOf(o.App[:]), "appprice": o.Appprice, "volume": o.Volume, "tag": hexOf(o.Tag[:]),
		"datasetrestrict": hexOf(o.Datasetrestrict[:]), "workerpoolrestrict": hexOf(o.Workerpoolrestrict[:]),
		"requesterrestrict": hexOf(o.Requesterrestrict[:]), "salt": hexOf(o.Salt[:]), "sign": hexOf(o.Sign),
	})
}

func (r *reading) broadcastDataset() {
	o := told[contracts.DatasetOrder](r, "datasetorder")
	r.order("DatasetOrder", hashOf(o.Hash(r.domain)), referencetest.State{
		"dataset": hexOf(o.Dataset[:]), "datasetprice": o.Datasetprice, "volume": o.Volume, "tag": hexOf(o.Tag[:]),
		"apprestrict": hexOf(o.Apprestrict[:]), "workerpoolrestrict": hexOf(o.Workerpoolrestrict[:]),
		"requesterrestrict": hexOf(o.Requesterrestrict[:]), "salt": hexOf(o.Salt[:]), "sign": hexOf(o.Sign),
	})
}

func (r *reading) broadcastPool() {
	o := told[contracts.WorkerpoolOrder](r, "workerpoolorder")
	r.order("WorkerpoolOrder", hashOf(o.Hash(r.domain)), referencetest.State{
		"workerpool": hexOf(o.Workerpool[:]), "workerpoolprice": o.Workerpoolprice, "volume": o.Volume, "tag": hexOf(o.Tag[:]),
		"category": o.Category.String(), "trust": o.Trust, "apprestrict": hexOf(o.Apprestrict[:]), "datasetrestrict": hexOf(o.Datasetrestrict[:]),
		"requesterrestrict": hexOf(o.Requesterrestrict[:]), "salt": hexOf(o.Salt[:]), "sign": hexOf(o.Sign),
	})
}

func (r *reading) broadcastRequest() {
	o := told[contracts.RequestOrder](r, "requestorder")
	for _, a := range []common.Address{o.Requester, o.Beneficiary, o.Callback} {
		r.account(hexOf(a[:]))
	}
	r.order("RequestOrder", hashOf(o.Hash(r.domain)), referencetest.State{
		"app": hexOf(o.App[:]), "appmaxprice": o.Appmaxprice, "dataset": hexOf(o.Dataset[:]), "datasetmaxprice": o.Datasetmaxprice,
		"workerpool": hexOf(o.Workerpool[:]), "workerpoolmaxprice": o.Workerpoolmaxprice, "requester": hexOf(o.Requester[:]),
		"volume": o.Volume, "tag": hexOf(o.Tag[:]), "category": o.Category.String(), "trust": o.Trust, "beneficiary": hexOf(o.Beneficiary[:]),
		"callback": hexOf(o.Callback[:]), "params": plainText(o.Params), "salt": hexOf(o.Salt[:]), "sign": hexOf(o.Sign),
	})
}

func hashOf(h common.Hash) string { return hexOf(h[:]) }
