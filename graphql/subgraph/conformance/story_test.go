package conformance_test

import (
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/contracts"
)

// story is what happens on the market, in chapters between which a test looks at it. Each
// thing that the contracts can do to an entity happens at least once.
type story struct {
	*market
	abis

	provider, scheduler, requester, buyer *person
	workers                               []*person
	app, enclaveApp, dataset, pool, spare common.Address
	deals                                 []common.Hash
}

func (s *story) task(deal int, index uint64) common.Hash {
	return contracts.TaskID(s.deals[deal], index)
}

// opening: stakes, a category, what is traded, orders on the chain.
func (s *story) opening() {
	owner := s.people[0]
	s.provider, s.scheduler, s.requester, s.buyer, s.workers = s.people[1], s.people[2], s.people[3], s.people[4], s.people[5:9]
	var owners []common.Address
	var amounts []*big.Int
	for _, p := range s.people[1:9] {
		owners, amounts = append(owners, p.Address()), append(amounts, big.NewInt(20_000_000_001))
	}
	s.send(owner, s.at.Token, contracts.ApproveCall(s.at.Hub, big.NewInt(1e12)))
	s.call(owner, contracts.DepositForArrayCall(amounts, owners))
	s.seal()
	s.register()
	s.call(owner, contracts.CreateCategoryCall(contracts.Category{Name: "odd \xff", Description: `{"a": "%_"}`, WorkClockTimeRef: big.NewInt(60)}))
	s.seal()
}

func (s *story) register() {
	me := s.provider.Address()
	app := contracts.App{Name: "words", Type: "DOCKER", Multiaddr: []byte("registry/app:1"), Checksum: common.Hash{1}, MREnclave: []byte{}}
	sealed := contracts.App{Name: "Words \xfe 日本語", Type: "DOCKER", Multiaddr: []byte{0xff, 0}, Checksum: common.Hash{2}, MREnclave: []byte(`{"framework":"SCONE"}`)}
	data := contracts.Dataset{Name: "corpus", Multiaddr: []byte("/ipfs/x"), Checksum: common.Hash{3}}
	s.app = s.where(s.client.PredictApp(s.ctx, s.at.AppRegistry, me, app))
	s.enclaveApp = s.where(s.client.PredictApp(s.ctx, s.at.AppRegistry, me, sealed))
	s.dataset = s.where(s.client.PredictDataset(s.ctx, s.at.DatasetRegistry, me, data))
	s.pool = s.where(s.client.PredictWorkerpool(s.ctx, s.at.WorkerpoolRegistry, s.scheduler.Address(), "pool"))
	s.spare = s.where(s.client.PredictWorkerpool(s.ctx, s.at.WorkerpoolRegistry, s.scheduler.Address(), ""))
	s.send(s.provider, s.at.AppRegistry, contracts.CreateAppCall(me, app))
	s.send(s.provider, s.at.AppRegistry, contracts.CreateAppCall(me, sealed))
	s.send(s.provider, s.at.DatasetRegistry, contracts.CreateDatasetCall(me, data))
	s.send(s.scheduler, s.at.WorkerpoolRegistry, contracts.CreateWorkerpoolCall(s.scheduler.Address(), "pool"))
	s.send(s.scheduler, s.at.WorkerpoolRegistry, contracts.CreateWorkerpoolCall(s.scheduler.Address(), ""))
}

// terms are what a deal is about.
type terms struct {
	app, dataset           common.Address
	trust, volume          int64
	tag                    common.Hash
	params                 string
	beneficiary, callback  common.Address
	presigned, broadcasted bool
}

// match makes a deal; sponsored: somebody else pays for it.
func (s *story) match(t terms, sponsor *person) {
	s.salt++
	salt, volume := [32]byte{s.salt}, big.NewInt(t.volume)
	ao := contracts.AppOrder{App: t.app, Appprice: big.NewInt(3), Volume: volume, Tag: t.tag, Salt: salt}
	do := contracts.DatasetOrder{Dataset: t.dataset, Datasetprice: big.NewInt(5), Volume: volume, Salt: salt, Apprestrict: t.app}
	wo := signed(s.market, contracts.WorkerpoolOrder{Workerpool: s.pool, Workerpoolprice: big.NewInt(1_000_000_007), Volume: volume, Tag: t.tag, Category: new(big.Int), Trust: big.NewInt(t.trust), Salt: salt}, s.scheduler)
	ro := signed(s.market, contracts.RequestOrder{
		App: t.app, Appmaxprice: big.NewInt(3), Dataset: t.dataset, Datasetmaxprice: big.NewInt(5), Workerpool: s.pool,
		Workerpoolmaxprice: big.NewInt(2_000_000_000), Requester: s.requester.Address(), Volume: big.NewInt(t.volume + 1), Tag: t.tag,
		Category: new(big.Int), Trust: big.NewInt(t.trust), Beneficiary: t.beneficiary, Callback: t.callback, Params: t.params, Salt: salt,
	}, s.requester)
	if t.presigned {
		s.call(s.provider, contracts.ManageAppOrderCall(ao, contracts.SignOrder))
	} else {
		ao = signed(s.market, ao, s.provider)
	}
	if t.dataset == (common.Address{}) {
		do = contracts.DatasetOrder{}
	} else {
		do = signed(s.market, do, s.provider)
	}
	if t.broadcasted {
		s.broadcast(s.workers[0], "App", ao)
		s.broadcast(s.workers[0], "Dataset", do)
		s.broadcast(s.workers[0], "Workerpool", wo)
		s.broadcast(s.workers[0], "Request", ro)
		s.seal()
	}
	if sponsor != nil {
		s.call(sponsor, contracts.SponsorMatchOrdersCall(ao, do, wo, ro))
	} else {
		s.call(s.requester, contracts.MatchOrdersCall(ao, do, wo, ro))
	}
	s.deals = append(s.deals, contracts.DealID(ro.Hash(s.domain), new(big.Int)))
}

func (s *story) broadcast(who *person, kind string, order any) {
	data, err := s.hub.Pack("broadcast"+kind+"Order", order)
	s.must(err)
	s.call(who, data)
}

// deal: deals of every sort, and an order that is closed before anybody takes it.
func (s *story) deal() {
	s.match(terms{app: s.app, dataset: s.dataset, trust: 3, volume: 3, params: `{"iexec_args":"1"}`, presigned: true, broadcasted: true}, nil)
	s.seal()
	s.match(terms{app: s.app, trust: 1, volume: 2, params: `{"bulk_cid":"Qm1"}`, beneficiary: s.buyer.Address(), callback: s.buyer.Address()}, nil)
	s.match(terms{app: s.enclaveApp, dataset: s.dataset, trust: 0, volume: 1, tag: common.HexToHash("0x03"), params: "not JSON \xff"}, s.buyer)
	s.seal()
	s.match(terms{app: s.app, dataset: s.dataset, trust: 1, volume: 1, params: "[]"}, nil)
	closed := contracts.AppOrder{App: s.app, Appprice: big.NewInt(9), Volume: big.NewInt(1), Salt: [32]byte{255}}
	s.call(s.provider, contracts.ManageAppOrderCall(closed, contracts.SignOrder))
	s.call(s.provider, contracts.ManageAppOrderCall(closed, contracts.CloseOrder))
	s.seal()
	for i := range uint64(3) {
		s.call(s.scheduler, contracts.InitializeCall(s.deals[0], i))
	}
	for _, deal := range s.deals[1:] {
		s.call(s.scheduler, contracts.InitializeCall(deal, 0))
	}
	s.seal()
}

// The digest of a result that is called back is that of the callback's data
// (IexecPoco2Facet.finalize).
var (
	right, wrong = common.Hash{1}, common.Hash{2}
	callback     = []byte("callback")
	calledBack   = crypto.Keccak256Hash(callback)
)

// contributing: one of four lies; two agree on another task and will not reveal.
func (s *story) contributing() {
	s.contribute(s.scheduler, s.workers[0], s.task(0, 0), wrong)
	s.seal()
	for _, worker := range s.workers[1:] {
		s.contribute(s.scheduler, worker, s.task(0, 0), right)
	}
	s.contribute(s.scheduler, s.workers[0], s.task(1, 0), calledBack)
	s.seal()
	for _, worker := range s.workers[:2] {
		s.contribute(s.scheduler, worker, s.task(0, 1), right)
	}
	s.seal()
}

// ending: results of each sort, nothing revealed, resources in other hands.
func (s *story) ending() {
	for _, worker := range s.workers[1:] {
		s.call(worker, contracts.RevealCall(s.task(0, 0), right))
	}
	s.call(s.workers[0], contracts.RevealCall(s.task(1, 0), calledBack))
	s.seal()
	s.call(s.scheduler, contracts.FinalizeCall(s.task(0, 0), []byte("ipfs://results"), nil))
	s.seal()
	s.call(s.scheduler, contracts.FinalizeCall(s.task(1, 0), []byte{}, callback))
	s.seal()
	s.enclaved(s.scheduler, s.workers[1], s.task(2, 0), right, []byte{0xff})
	s.seal()
	s.hand(s.at.AppRegistry, s.provider, s.buyer, s.app)
	s.hand(s.at.DatasetRegistry, s.provider, s.buyer, s.dataset)
	s.hand(s.at.WorkerpoolRegistry, s.scheduler, s.buyer, s.spare)
	s.send(s.scheduler, s.pool, contracts.ChangePolicyCall(contracts.Policy{WorkerStakeRatio: big.NewInt(35), SchedulerRewardRatio: big.NewInt(5)}))
	s.call(s.buyer, contracts.WithdrawCall(big.NewInt(1)))
	s.call(s.buyer, contracts.TransferCall(s.people[9].Address(), big.NewInt(123)))
	s.seal()
}

// hand gives a resource's NFT to somebody else.
func (s *story) hand(registry common.Address, from, to *person, resource common.Address) {
	data, err := s.registry.Pack("transferFrom", from.Address(), to.Address(), new(big.Int).SetBytes(resource[:]))
	s.must(err)
	s.send(from, registry, data)
}

// late: what deadlines bring.
func (s *story) late() {
	s.travel(601 * time.Second)
	s.call(s.scheduler, contracts.ReopenCall(s.task(0, 1)))
	s.seal()
	s.contribute(s.scheduler, s.workers[3], s.task(0, 1), right)
	s.seal()
	s.travel(3000 * time.Second)
	s.call(s.requester, contracts.ClaimCall(s.task(0, 1)))
	s.call(s.requester, contracts.ClaimArrayCall([]common.Hash{s.task(0, 2), s.task(3, 0)}))
	s.call(s.buyer, contracts.InitializeAndClaimArrayCall([]common.Hash{s.deals[1]}, []uint64{1}))
	s.seal()
}
