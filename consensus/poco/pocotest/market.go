// Package pocotest draws long random histories of a PoCo marketplace: several
// requesters, pools and workers, honest and lying, who do what makes sense, what is
// impossible, and everything in between. The property tests of the rules and their
// comparison with the real contracts play the same histories.
package pocotest

import (
	"crypto/ecdsa"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"assay/consensus/poco"
)

// Step is a command, who sends it, and how many seconds pass before.
type Step struct {
	Wait    uint64
	Sender  poco.Address
	Command poco.Command
}

// Market is the memory of a history: who there is and what was made, to choose from.
type Market struct {
	rules       poco.Rules
	boost       bool
	unsponsored bool // draw no sponsors
	predict     func(poco.Resource) poco.Address
	keys        map[poco.Address]*ecdsa.PrivateKey
	people      []poco.Address // everybody but the pauper has stake in the beginning
	group       poco.Address   // an ERC-734 contract with the members of Rules.Contracts; zero: none
	signer      poco.Address   // an ERC-1271 contract; zero: none
	apps        []poco.Address
	datasets    []poco.Address
	pools       []poco.Address
	orders      []poco.Orders
	deals       []poco.Hash
	tasks       []poco.Hash
	approved    []poco.Approval
	salt        uint64
	now         uint64 // the chain's time when the step that is being drawn will happen
}

// Config says what a market is played on.
type Config struct {
	Rules   poco.Rules
	Boost   bool                             // draw Boost's calls too
	Legacy  bool                             // contracts before 5.5: draw no sponsors
	Predict func(poco.Resource) poco.Address // where a resource will be registered
	Group   poco.Address                     // an ERC-734 contract that Rules.Contracts knows
	Signer  poco.Address                     // an ERC-1271 contract that Rules.Contracts knows and takes ValidSignature from
}

// ValidSignature is what @iexec/poco's ERC1271Mock takes for a valid signature.
var ValidSignature = common.FromHex("0xff9e2a6b4198d3d0c6899bfc25f98d2d31182536279fdd763a54510f2a8b120c")

// Names of the people, by what they mostly do. Pauper never gets stake.
var names = []string{
	"hubOwner", "requester1", "requester2", "sponsor", "appOwner", "datasetOwner", "poolOwner1", "poolOwner2",
	"worker1", "worker2", "worker3", "worker4", "worker5", "pauper",
}

// enclaveName is whose key enclaves sign with.
const enclaveName = "enclave"

// NewMarket returns an empty market.
func NewMarket(cfg Config) *Market {
	m := &Market{
		rules: cfg.Rules, boost: cfg.Boost, unsponsored: cfg.Legacy, predict: cfg.Predict, group: cfg.Group, signer: cfg.Signer,
		keys: map[poco.Address]*ecdsa.PrivateKey{},
	}
	for _, name := range append([]string{enclaveName}, names...) {
		m.keys[Address(name)] = key(name)
	}
	m.people = People()
	return m
}

// People are the addresses that send commands.
func People() []poco.Address { return append([]poco.Address(nil), people...) }

// Address is a person's address.
func Address(name string) poco.Address { return addresses[name] }

var people, addresses = func() ([]poco.Address, map[string]poco.Address) {
	people, addresses := make([]poco.Address, len(names)), map[string]poco.Address{}
	for i, name := range names {
		people[i] = crypto.PubkeyToAddress(key(name).PublicKey)
		addresses[name] = people[i]
	}
	addresses[enclaveName] = crypto.PubkeyToAddress(key(enclaveName).PublicKey)
	return people, addresses
}()

func key(name string) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("pocotest " + name)))
	if err != nil {
		panic(fmt.Sprintf("no key for %s: %v", name, err)) // not for any of our names
	}
	return key
}

// Opening is how each history begins: resources are registered and stake deposited.
func (m *Market) Opening() []Step {
	var steps []Step
	register := func(owner string, r poco.Resource) {
		r.Owner = Address(owner)
		steps = append(steps, Step{Sender: r.Owner, Command: poco.Register{At: m.predict(r), Resource: r}})
	}
	register("appOwner", poco.Resource{Kind: poco.App, Name: "app", Type: "DOCKER", Multiaddr: []byte("m"), Checksum: poco.Hash{1}, MREnclave: []byte("e")})
	register("datasetOwner", poco.Resource{Kind: poco.Dataset, Name: "dataset", Multiaddr: []byte("m"), Checksum: poco.Hash{2}})
	register("poolOwner1", poco.Resource{Kind: poco.Workerpool, Name: "pool 1"})
	register("poolOwner2", poco.Resource{Kind: poco.Workerpool, Name: "pool 2"})
	for _, person := range m.people[:len(m.people)-1] {
		steps = append(steps, Step{Sender: person, Command: poco.Deposit{Amount: m.coins(100_000_000_000)}})
	}
	if m.signer != (poco.Address{}) {
		steps = append(steps, Step{Sender: m.people[0], Command: poco.DepositFor{Amount: m.coins(100_000_000_000), Target: m.signer}})
	}
	return steps
}

// coins is what must be deposited for so many nRLC.
func (m *Market) coins(nRLC uint64) poco.Amount {
	amount := *uint256.NewInt(nRLC)
	if m.rules.Native {
		amount.Mul(&amount, uint256.NewInt(1_000_000_000))
	}
	return amount
}

// Happened tells the market what came of a step.
func (m *Market) Happened(events []poco.Event) {
	for _, event := range events {
		switch e := event.(type) {
		case poco.ResourceTransfer:
			if e.From == (poco.Address{}) {
				m.registered(e.Kind, e.Resource)
			}
		case poco.Approval:
			m.approved = append(m.approved, e)
		case poco.OrdersMatched:
			m.deals = append(m.deals, e.Deal)
		case poco.TaskInitialize:
			m.tasks = append(m.tasks, e.Task)
		}
	}
}

func (m *Market) registered(kind poco.ResourceKind, resource poco.Address) {
	switch kind {
	case poco.App:
		m.apps = append(m.apps, resource)
	case poco.Dataset:
		m.datasets = append(m.datasets, resource)
	case poco.Workerpool:
		m.pools = append(m.pools, resource)
	}
}

// Resources are the registered resources, in order of kind and registration.
func (m *Market) Resources() []poco.Address {
	return append(append(append([]poco.Address(nil), m.apps...), m.datasets...), m.pools...)
}

// Orders are the orders drawn so far.
func (m *Market) Orders() []poco.Orders { return m.orders }

// Deals are the deals made so far, Tasks the tasks initialized.
func (m *Market) Deals() []poco.Hash { return m.deals }

// Tasks are the tasks initialized so far.
func (m *Market) Tasks() []poco.Hash { return m.tasks }

// likely draws true in so many of a hundred cases. It shrinks to true: to what makes sense.
func likely(t *rapid.T, percent int, what string) bool {
	return rapid.IntRange(0, 99).Draw(t, what) < percent
}

func pick[T any](t *rapid.T, from []T, what string) T { return rapid.SampledFrom(from).Draw(t, what) }

func amounts(values ...uint64) []poco.Amount {
	out := make([]poco.Amount, len(values))
	for i, v := range values {
		out[i] = *uint256.NewInt(v)
	}
	return out
}

func power(exponent uint) poco.Amount {
	var x poco.Amount
	x.Lsh(uint256.NewInt(1), exponent)
	return x
}

func most() poco.Amount {
	var x poco.Amount
	x.SetAllOne()
	return x
}
