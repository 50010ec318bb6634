package main

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/consensus/poco"
	"assay/consensus/sim"
	"assay/workers"
)

// conduct is how liars lie.
type conduct struct {
	workers.Behaviour
	rate    float64 // how often a liar lies; a gang lies at the same tasks
	sleeper uint64  // a liar is honest until all of its gang have this score
}

var (
	lone = conduct{Behaviour: workers.Behaviour{Conduct: workers.Lying}, rate: 1}
	gang = conduct{Behaviour: workers.Behaviour{Conduct: workers.Lying, Gang: "gang"}, rate: 1}
)

// tally is what came of some tasks.
type tally struct {
	tasks, wrong, undecided int
	contributions           int
}

func (t *tally) add(u tally) {
	t.tasks += u.tasks
	t.wrong += u.wrong
	t.undecided += u.undecided
	t.contributions += u.contributions
}

var truth = []byte("right")

func worker(i int) poco.Address {
	return common.Address(binary.BigEndian.AppendUint64(append(make([]byte, 11), 0xee), uint64(i)))
}

// newcomers has workers without a score contribute to tasks, each of them a liar with the
// probability share, until there is a consensus. Nothing is finalized, so nobody ever
// gets a score.
func newcomers(seed, point uint64, trust uint64, share float64, liars conduct, tasks int) (tally, error) {
	random := rand.New(rand.NewPCG(seed, point)) //nolint:gosec // a study must be repeatable
	market, err := sim.New(sim.Rules(), nil)
	if err != nil {
		return tally{}, err
	}
	deal, err := market.Deal(trust, 0, uint64(tasks))
	if err != nil {
		return tally{}, err
	}
	var t tally
	for i := range tasks {
		task, err := market.Task(deal, uint64(i))
		if err != nil {
			return t, err
		}
		lied, agreed := false, false
		for n := 0; !agreed; n++ {
			lied = random.Float64() < share
			agreed, err = market.Contribute(worker(n), task, digest(liars, lied, worker(n), task))
			if revert := new(poco.Revert); errors.As(err, &revert) {
				break // about 245 of one result overflow the contracts' arithmetic
			}
			if err != nil {
				return t, err
			}
			t.contributions++
		}
		t.count(agreed, lied)
	}
	return t, nil
}

// count counts a task, whose last contributor made the consensus if there is one.
func (t *tally) count(agreed, lied bool) {
	t.tasks++
	switch {
	case !agreed:
		t.undecided++
	case lied:
		t.wrong++
	}
}

// digest is what a worker says its result hashes to.
func digest(liars conduct, lies bool, worker poco.Address, task poco.Hash) poco.Hash {
	if lies {
		return liars.Digest(worker, task, truth)
	}
	return workers.Behaviour{}.Digest(worker, task, truth)
}

// fleet is a fixed number of workers whose scores grow or shrink with what they do.
type fleet struct {
	market  *sim.Market
	random  *rand.Rand
	size    int
	liars   int // the first so many
	conduct conduct
	awake   bool // sleepers lie from now on
}

func newFleet(seed, point uint64, size, liars int, c conduct) (*fleet, error) {
	market, err := sim.New(sim.Rules(), nil)
	random := rand.New(rand.NewPCG(seed, point)) //nolint:gosec // a study must be repeatable
	return &fleet{market: market, random: random, size: size, liars: liars, conduct: c}, err
}

func (f *fleet) score(i int) uint64 {
	score := f.market.State.Account(worker(i)).Score
	return score.Uint64()
}

// play takes tasks from deal to finalization. The scheduler draws workers at random; all
// winners reveal. price is in nRLC.
func (f *fleet) play(trust, price uint64, tasks int) (tally, error) {
	var t tally
	deal, err := f.market.Deal(trust, price, uint64(tasks))
	if err != nil {
		return t, err
	}
	for i := range tasks {
		if err := f.task(deal, uint64(i), &t); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (f *fleet) task(deal poco.Hash, index uint64, t *tally) error {
	task, err := f.market.Task(deal, index)
	if err != nil {
		return err
	}
	f.wake()
	together := f.random.Float64() < f.conduct.rate // whether a gang lies this time
	var agreed, lied bool
	said := map[int]poco.Hash{}
	var who []int
	for _, i := range f.random.Perm(f.size) {
		lied = i < f.liars && f.lies(together)
		said[i] = digest(f.conduct, lied, worker(i), task)
		who = append(who, i)
		if agreed, err = f.market.Contribute(worker(i), task, said[i]); err != nil {
			return err
		}
		t.contributions++
		if agreed {
			break
		}
	}
	t.count(agreed, lied)
	if !agreed {
		return nil // it would be claimed: every stake goes back and scores stay
	}
	return f.settle(task, who, said)
}

// wake has sleepers look whether all of them have the score they wait for.
func (f *fleet) wake() {
	if f.awake || f.conduct.sleeper == 0 {
		return
	}
	for i := range f.liars {
		if f.score(i) < f.conduct.sleeper {
			return
		}
	}
	f.awake = true
}

func (f *fleet) lies(together bool) bool {
	switch {
	case f.conduct.sleeper > 0:
		return f.awake
	case f.conduct.Gang != "":
		return together
	default:
		return f.random.Float64() < f.conduct.rate
	}
}

// settle has the winners reveal and the scheduler finalize.
func (f *fleet) settle(task poco.Hash, who []int, said map[int]poco.Hash) error {
	now, _ := f.market.State.Task(task) // it has a consensus
	consensus := now.ConsensusValue
	for _, i := range who {
		if poco.ResultHash(task, said[i]) != consensus {
			continue
		}
		if err := f.market.Do(worker(i), poco.Reveal{Task: task, Digest: said[i]}); err != nil {
			return err
		}
	}
	return f.market.Do(sim.Owner, poco.Finalize{Task: task, Results: crypto.Keccak256(consensus[:])})
}

// gain is what a worker has gained or lost since it deposited, in nRLC.
func (f *fleet) gain(i int) float64 {
	account := f.market.State.Account(worker(i))
	if account.Stake.IsZero() && account.Locked.IsZero() {
		return 0 // it was never drawn
	}
	now := account.Stake.ToBig()
	now.Add(now, account.Locked.ToBig())
	now.Sub(now, sim.Fortune.ToBig())
	gained, _ := now.Float64()
	return gained
}
