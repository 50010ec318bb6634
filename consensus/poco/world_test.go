package poco_test

import (
	"crypto/ecdsa"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"assay/consensus/poco"
)

// world is a marketplace to play in: the rules, a clock, and people who have keys.
type world struct {
	testing.TB
	state *poco.State
	now   poco.Block
	keys  map[string]*ecdsa.PrivateKey
	salt  uint64
}

const start = 1_700_000_000 // seconds since 1970

func rules() poco.Rules {
	return poco.Rules{ChainID: 1337, Hub: common.HexToAddress("0x4b"), Owner: addressOf("owner")}
}

// newWorld returns a world with one category of 300 s, and app, dataset and pool.
func newWorld(t testing.TB, r poco.Rules) *world {
	w := &world{TB: t, state: poco.New(r), now: poco.Block{Number: 1, Time: start}, keys: map[string]*ecdsa.PrivateKey{}}
	w.must("owner", poco.AddCategory{Name: "XS", WorkClockTimeRef: amount(300)})
	for kind, name := range map[poco.ResourceKind]string{poco.App: "app", poco.Dataset: "dataset", poco.Workerpool: "pool"} {
		w.must("owner", poco.Register{At: addressOf(name), Resource: poco.Resource{Kind: kind, Owner: w.who(name + "Owner"), Name: name}})
	}
	return w
}

func addressOf(name string) poco.Address {
	return crypto.PubkeyToAddress(keyOf(name).PublicKey)
}

func keyOf(name string) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		panic(err)
	}
	return key
}

func (w *world) key(name string) *ecdsa.PrivateKey {
	if w.keys[name] == nil {
		w.keys[name] = keyOf(name)
	}
	return w.keys[name]
}

func (w *world) who(name string) poco.Address { return crypto.PubkeyToAddress(w.key(name).PublicKey) }

func amount(x uint64) poco.Amount { return *uint256.NewInt(x) }

func digestOf(result string) poco.Hash { return crypto.Keccak256Hash([]byte(result)) }

// sign returns name's signature of a hash, 65 bytes.
func (w *world) sign(name string, hash poco.Hash) []byte {
	w.Helper()
	signature, err := crypto.Sign(hash[:], w.key(name))
	if err != nil {
		w.Fatal(err)
	}
	signature[64] += 27
	return signature
}

// try plays a command: decides, checks that this changed nothing, and folds the events.
func (w *world) try(sender string, command poco.Command) ([]poco.Event, error) {
	w.Helper()
	before := w.state.Dump()
	events, err := w.state.Decide(w.now, w.who(sender), command)
	if w.state.Dump() != before {
		w.Fatalf("Decide(%T) changed the state", command)
	}
	for _, event := range events {
		if err := w.state.Evolve(w.now, event); err != nil {
			w.Fatalf("folding what was decided for %T: %v", command, err)
		}
	}
	w.conserved()
	return events, err
}

// conserved checks that all stake is the supply, and that the hub has what is locked.
func (w *world) conserved() {
	w.Helper()
	stake, locked := w.state.Sums()
	if supply := w.state.Supply(); stake != supply {
		w.Fatalf("stakes add up to %v, supply is %v", &stake, &supply)
	}
	if hub := w.state.Account(w.state.Rules().Hub).Stake; hub.Lt(&locked) {
		w.Fatalf("hub has %v, locked are %v", &hub, &locked)
	}
}

func (w *world) must(sender string, command poco.Command) []poco.Event {
	w.Helper()
	events, err := w.try(sender, command)
	if err != nil {
		w.Fatalf("%s: %T: %v", sender, command, err)
	}
	return events
}

func (w *world) refused(sender string, command poco.Command, reason string) {
	w.Helper()
	_, err := w.try(sender, command)
	var revert *poco.Revert
	if !errors.As(err, &revert) || revert.Reason != reason {
		w.Fatalf("%s: %T: got %v, want revert with %q", sender, command, err, reason)
	}
}

func (w *world) wait(seconds uint64) {
	w.now.Time += seconds
	w.now.Number++
}

// orders are signed orders that match, 1 task at trust 1 for 0 RLC; change changes them
// before they are signed.
func (w *world) orders(change func(*poco.Orders)) poco.Orders {
	w.salt++
	salt := poco.Hash{31: byte(w.salt), 30: byte(w.salt >> 8)}
	o := poco.Orders{
		App:        poco.AppOrder{App: addressOf("app"), Volume: amount(1), Salt: salt},
		Dataset:    poco.DatasetOrder{Dataset: addressOf("dataset"), Volume: amount(1), Salt: salt},
		Workerpool: poco.WorkerpoolOrder{Workerpool: addressOf("pool"), Volume: amount(1), Trust: amount(1), Salt: salt},
		Request: poco.RequestOrder{App: addressOf("app"), Dataset: addressOf("dataset"), Requester: w.who("requester"),
			Volume: amount(1), Trust: amount(1), Params: "{}", Salt: salt},
	}
	if change != nil {
		change(&o)
	}
	return w.signOrders(o)
}

func (w *world) signOrders(o poco.Orders) poco.Orders {
	rules := w.state.Rules()
	o.App.Sign = w.sign("appOwner", rules.OrderHash(o.App))
	o.Dataset.Sign = w.sign("datasetOwner", rules.OrderHash(o.Dataset))
	o.Workerpool.Sign = w.sign("poolOwner", rules.OrderHash(o.Workerpool))
	o.Request.Sign = w.sign("requester", rules.OrderHash(o.Request))
	return o
}

// match makes a deal from orders and returns its id.
func (w *world) match(change func(*poco.Orders)) poco.Hash {
	w.Helper()
	events := w.must("requester", poco.MatchOrders{Orders: w.orders(change)})
	return dealOf(events)
}

func dealOf(events []poco.Event) poco.Hash {
	for _, event := range events {
		if matched, ok := event.(poco.OrdersMatched); ok {
			return matched.Deal
		}
	}
	return poco.Hash{}
}

// initialize starts a deal's task and returns its id.
func (w *world) initialize(deal poco.Hash, index uint64) poco.Hash {
	w.Helper()
	w.must("anyone", poco.Initialize{Deal: deal, Index: amount(index)})
	i := amount(index)
	return poco.TaskID(deal, &i)
}

func (w *world) authorize(worker string, task poco.Hash, enclave poco.Address) []byte {
	return w.sign("poolOwner", poco.AuthorizationMessage(w.who(worker), task, enclave))
}

// contribution commits a worker to a result.
func (w *world) contribution(worker string, task poco.Hash, result string) poco.Contribute {
	return poco.Contribute{
		Task: task, ResultHash: poco.ResultHash(task, digestOf(result)),
		ResultSeal:    poco.ResultSeal(w.who(worker), task, digestOf(result)),
		Authorization: w.authorize(worker, task, poco.Address{}),
	}
}

// contribute has several workers commit to results, given as "worker=result".
func (w *world) contribute(task poco.Hash, contributions ...string) {
	w.Helper()
	for _, c := range contributions {
		worker, result, _ := strings.Cut(c, "=")
		w.must(worker, w.contribution(worker, task, result))
	}
}

// deposit gives each of several people so many nRLC.
func (w *world) deposit(nRLC uint64, names ...string) {
	w.Helper()
	for _, name := range names {
		w.must(name, poco.Deposit{Amount: amount(nRLC)})
	}
}

// gained returns how much of the stake and locked of a person changes while f runs.
func (w *world) gained(name string, f func()) (stake, locked int64) {
	w.Helper()
	before := w.state.Account(w.who(name))
	f()
	after := w.state.Account(w.who(name))
	return int64(after.Stake.Uint64() - before.Stake.Uint64()), int64(after.Locked.Uint64() - before.Locked.Uint64())
}
