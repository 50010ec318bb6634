package demo

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/common"

	"assay/contracts"
)

// enclave is the tag of orders that ask for one (TeeUtils): TEE, and Scone runs it.
var enclave = common.Hash{31: 0x03}

// resources are the addresses of what is registered for the demo.
type resources struct {
	app, enclaveApp, dataset common.Address
	pools                    [2]common.Address
}

// offer is a deal to be made.
type offer struct {
	name     string
	pool     int
	trust    uint64
	tag      common.Hash
	dataset  bool
	callback bool // the result is sent to an account, which has no code to take it
	tasks    uint64
	params   string
	price    uint64 // of the pool, nRLC per task
}

// The deals that show the four endings, in the order in which they must be made: the
// forged enclave is asked first while it is idle, and the shy worker has to be taken when
// the replicated deal comes, or it would be asked there.
const (
	dealEnclave = iota
	dealUnrevealed
	dealReplicated
	dealSilent
	storyDeals
)

// offers are the story's deals and, after them, as many more as it takes to make the
// number of tasks asked for.
func offers(seed uint64, tasks int) []offer {
	list := []offer{
		dealUnrevealed: {name: "unrevealed", trust: 1, tasks: 1, price: 2_000_000_011, params: `{"cmd":"primes","n":20000}`},
		dealReplicated: {name: "replicated", trust: 5, tasks: 1, price: 1_000_000_007, dataset: true, callback: true, params: `{"cmd":"primes","n":50000}`},
		dealEnclave:    {name: "enclave", trust: 1, tag: enclave, tasks: 1, price: 3_000_000_019, dataset: true, params: `{"cmd":"sha256","n":10000}`},
		dealSilent:     {name: "silent", pool: 1, trust: 3, tasks: 1, price: 5_000_000_029, params: `{"cmd":"mandelbrot","n":32}`},
	}
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same deals for the same seed
	for left := tasks - storyDeals; left > 0; {
		next := draw(random)
		next.tasks = min(next.tasks, uint64(left))
		left -= int(next.tasks)
		list = append(list, next)
	}
	return list
}

// draw makes up a deal of everyday work.
func draw(random *rand.Rand) offer {
	drawn := offer{
		name:    "everyday",
		trust:   1 + random.Uint64N(4),
		dataset: random.IntN(2) == 0,
		tasks:   1 + random.Uint64N(10),
		price:   random.Uint64N(2_000_000_000),
		params:  fmt.Sprintf(`{"cmd":"primes","n":%d}`, 1000+random.Uint64N(10000)),
	}
	if random.IntN(4) == 0 {
		drawn.tag, drawn.trust = enclave, 1
	}
	return drawn
}

// Prices of the app and the dataset, nRLC per task.
const (
	appPrice     = 100_000_003
	datasetPrice = 50_000_005
)

// cost is what all offers together may cost their requester, nRLC.
func cost(list []offer) *big.Int {
	total := new(big.Int)
	for _, offer := range list {
		each := new(big.Int).SetUint64(offer.price + appPrice + datasetPrice)
		total.Add(total, each.Mul(each, new(big.Int).SetUint64(offer.tasks)))
	}
	return total
}

// salt tells the orders of one offer from those of the others.
func salt(index int) (salt common.Hash) {
	binary.BigEndian.PutUint64(salt[24:], uint64(index)+1)
	return salt
}

// request is the requester's order.
func (o offer) request(index int, who cast, what resources) contracts.RequestOrder {
	request := contracts.RequestOrder{
		App: what.app, Appmaxprice: big.NewInt(appPrice),
		Workerpool: what.pools[o.pool], Workerpoolmaxprice: new(big.Int).SetUint64(o.price),
		Requester: who.requester.address, Volume: new(big.Int).SetUint64(o.tasks), Tag: o.tag,
		Trust: new(big.Int).SetUint64(o.trust), Beneficiary: who.requester.address, Params: o.params, Salt: salt(index),
	}
	if o.tag == enclave {
		request.App = what.enclaveApp
	}
	if o.callback {
		request.Callback = who.requester.address
	}
	if o.dataset {
		request.Dataset, request.Datasetmaxprice = what.dataset, big.NewInt(datasetPrice)
	}
	return request
}

// match signs the four orders of an offer and returns the call that makes the deal.
func (o offer) match(index int, who cast, what resources, domain contracts.Domain) ([]byte, error) {
	request, err := o.request(index, who, what).Signed(domain, who.requester.key)
	if err != nil {
		return nil, err
	}
	app, err := contracts.AppOrder{
		App: request.App, Appprice: request.Appmaxprice, Volume: request.Volume, Tag: o.tag, Salt: salt(index),
	}.Signed(domain, who.deployer.key)
	if err != nil {
		return nil, err
	}
	pool, err := contracts.WorkerpoolOrder{
		Workerpool: request.Workerpool, Workerpoolprice: request.Workerpoolmaxprice, Volume: request.Volume,
		Tag: o.tag, Trust: request.Trust, Salt: salt(index),
	}.Signed(domain, who.poolOwners[o.pool].key)
	if err != nil {
		return nil, err
	}
	var data contracts.DatasetOrder // the zero order: no dataset
	if o.dataset {
		data, err = contracts.DatasetOrder{
			Dataset: request.Dataset, Datasetprice: request.Datasetmaxprice, Volume: request.Volume, Salt: salt(index),
		}.Signed(domain, who.datasetOwner.key)
	}
	return contracts.MatchOrdersCall(app, data, pool, request), err
}
