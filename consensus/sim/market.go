// Package sim is a marketplace in memory: the rules of package poco in the place of a
// chain, one app, one workerpool, and any number of workers with as much stake as they
// need. Studies and tests play fleets of workers in it, a hundred thousand tasks where
// a chain would settle a hundred; the rules are the same. Whoever is said to have signed
// something has signed it: nobody has a key.
package sim

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"assay/consensus/poco"
	"assay/schema/chains"
)

// Clock is the work clock of all deals, in seconds: contributions are possible for 7 of
// it, a reveal lasts 2, a task can be claimed after 10.
const Clock = 300

// The parties beside the workers.
var (
	Owner     = common.HexToAddress("0x01") // of the app and the workerpool: the scheduler
	Requester = common.HexToAddress("0x02")
	App       = common.HexToAddress("0xa1")
	Pool      = common.HexToAddress("0xb1")
)

// Fortune is what everybody deposits, in nRLC: no stake is ever beyond it.
var Fortune = new(uint256.Int).Lsh(uint256.NewInt(1), 128)

// Market is a marketplace. It is not safe for concurrent use.
type Market struct {
	State    *poco.State
	now      poco.Block
	salt     uint64
	rich     map[poco.Address]bool
	happened func(poco.Block, []poco.Event)
}

// Rules are the market's rules: PoCo 6.1.0, or those of an era, on a chain of its own.
func Rules(eras ...chains.Era) poco.Rules {
	return poco.Rules{ChainID: 1337, Hub: common.HexToAddress("0x4b"), Owner: Owner, Eras: eras, Contracts: everybodySigned{}}
}

// everybodySigned takes every account for a contract that approves of every signature.
type everybodySigned struct{}

func (everybodySigned) Member(poco.Address, poco.Address) (member, group bool) { return false, false }

func (everybodySigned) Signed(poco.Address, poco.Hash, []byte) (valid, contract bool) {
	return true, true
}

// New opens a market. happened is told the events of every command, each command in a
// block of its own; nil if nobody wants to know.
func New(rules poco.Rules, happened func(poco.Block, []poco.Event)) (*Market, error) {
	m := &Market{
		State: poco.New(rules), now: poco.Block{Number: 1, Time: 1_700_000_000}, rich: map[poco.Address]bool{}, happened: happened,
	}
	for _, command := range []poco.Command{
		poco.AddCategory{WorkClockTimeRef: *uint256.NewInt(Clock)},
		poco.Register{At: App, Resource: poco.Resource{Kind: poco.App, Owner: Owner}},
		poco.Register{At: Pool, Resource: poco.Resource{Kind: poco.Workerpool, Owner: Owner}},
	} {
		if err := m.Do(Owner, command); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Do carries out a command. The error is a *poco.Revert where the contracts refuse it.
func (m *Market) Do(sender poco.Address, command poco.Command) error {
	m.now.Number++
	events, err := m.State.Decide(m.now, sender, command)
	if err != nil {
		return fmt.Errorf("%T: %w", command, err)
	}
	for _, event := range events {
		if err := m.State.Evolve(m.now, event); err != nil {
			return err
		}
	}
	if m.happened != nil {
		m.happened(m.now, events)
	}
	return nil
}

// Wait lets seconds pass.
func (m *Market) Wait(seconds uint64) { m.now.Time += seconds }

// enrich sees to it that somebody has stake.
func (m *Market) enrich(who poco.Address) error {
	if m.rich[who] {
		return nil
	}
	m.rich[who] = true
	return m.Do(who, poco.Deposit{Amount: *Fortune})
}

// Deal makes a deal of so many tasks at a price, in nRLC, and returns its id.
func (m *Market) Deal(trust, price, tasks uint64) (poco.Hash, error) {
	for _, who := range []poco.Address{Owner, Requester} {
		if err := m.enrich(who); err != nil {
			return poco.Hash{}, err
		}
	}
	m.salt++
	salt := poco.Hash(uint256.NewInt(m.salt).Bytes32())
	volume, cost, asked := *uint256.NewInt(tasks), *uint256.NewInt(price), *uint256.NewInt(trust)
	request := poco.RequestOrder{App: App, WorkerpoolMaxPrice: cost, Requester: Requester, Volume: volume, Trust: asked, Salt: salt}
	err := m.Do(Requester, poco.MatchOrders{Orders: poco.Orders{
		App:        poco.AppOrder{App: App, Volume: volume, Salt: salt},
		Workerpool: poco.WorkerpoolOrder{Workerpool: Pool, Price: cost, Volume: volume, Trust: asked, Salt: salt},
		Request:    request,
	}})
	rules := m.State.Rules()
	return poco.DealID(rules.OrderHash(request), &poco.Amount{}), err
}

// Task starts the clock of a deal's task and returns its id.
func (m *Market) Task(deal poco.Hash, index uint64) (poco.Hash, error) {
	i := *uint256.NewInt(index)
	return poco.TaskID(deal, &i), m.Do(Owner, poco.Initialize{Deal: deal, Index: i})
}

// Contribute commits a worker to a result by its digest, and says whether there is a
// consensus now.
func (m *Market) Contribute(worker poco.Address, task, digest poco.Hash) (agreed bool, err error) {
	if err := m.enrich(worker); err != nil {
		return false, err
	}
	if err := m.Do(worker, poco.Contribute{
		Task: task, ResultHash: poco.ResultHash(task, digest), ResultSeal: poco.ResultSeal(worker, task, digest),
	}); err != nil {
		return false, err
	}
	now, _ := m.State.Task(task) // the contribution succeeded
	return now.Status == poco.TaskRevealing, nil
}
