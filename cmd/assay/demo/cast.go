package demo

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"assay/workers"
)

// player is an account of the demo.
type player struct {
	role    string
	key     *ecdsa.PrivateKey
	address common.Address
}

// cast is who plays: the same seed and the same number of workers give the same keys.
type cast struct {
	deployer     player // also sells the app and pays for what no one else does
	datasetOwner player
	requester    player
	poolOwners   [2]player
	workers      []hand
}

// hand is a worker.
type hand struct {
	player
	pool      int // index into poolOwners
	behaviour workers.Behaviour
	slots     uint32
	enclave   enclaveKind
}

// enclaveKind is what a worker runs the tasks in that ask for an enclave.
type enclaveKind int

const (
	noEnclave      enclaveKind = iota
	forged                     // another one than the app's: its quotes are refused
	quotesResults              // the app's, each result quoted
	quotesSessions             // the app's, its key quoted once for each task
)

// minWorkers is how many workers it takes to show every ending.
const minWorkers = 8

// newCast draws the cast. Pool 0 does the work: one shy worker, some liars, the others
// honest. Pool 1 is the one that fails its deal: a silent and a late worker.
func newCast(seed uint64, count int) cast {
	c := cast{
		deployer:     newPlayer(seed, "app owner", 0),
		datasetOwner: newPlayer(seed, "dataset owner", 0),
		requester:    newPlayer(seed, "requester", 0),
		poolOwners:   [2]player{newPlayer(seed, "pool A owner", 0), newPlayer(seed, "pool B owner", 0)},
	}
	working := count - 2
	players := make([]player, working)
	for i := range players {
		players[i] = newPlayer(seed, "worker", i)
	}
	// The engine asks the lowest address first among equals, so that the order of
	// addresses says who gets the first deals.
	slices.SortFunc(players, func(a, b player) int { return bytes.Compare(a.address[:], b.address[:]) })
	for i, player := range players {
		worker := hired(player, 0, conduct(i, working))
		worker.enclave = enclaveOf(i, working)
		c.workers = append(c.workers, worker)
	}
	c.workers = append(c.workers,
		hired(newPlayer(seed, "worker", working), 1, workers.Silent),
		hired(newPlayer(seed, "worker", working+1), 1, workers.Late))
	return c
}

// conduct makes the first worker shy, and a tenth of the others, at least one, liars.
func conduct(index, count int) workers.Conduct {
	switch {
	case index == 0:
		return workers.Shy
	case index <= max(1, count/10):
		return workers.Lying
	}
	return workers.Honest
}

// enclaveOf gives half of the workers enclaves. The first of them, who is asked first,
// has a forged one.
func enclaveOf(index, count int) enclaveKind {
	switch half := count / 2; {
	case index < half:
		return noEnclave
	case index == half:
		return forged
	case (index-half)%2 == 0:
		return quotesSessions
	}
	return quotesResults
}

func hired(player player, pool int, conduct workers.Conduct) hand {
	player.role = fmt.Sprintf("worker, %s", conduct)
	slots := uint32(16)
	if conduct == workers.Shy {
		slots = 1 // one deal is enough to show what becomes of it
	}
	return hand{player: player, pool: pool, behaviour: workers.Behaviour{Conduct: conduct}, slots: slots}
}

func newPlayer(seed uint64, role string, index int) player {
	material := binary.BigEndian.AppendUint64([]byte("assay demo "+role+" "), seed)
	material = binary.BigEndian.AppendUint64(material, uint64(index))
	key, err := crypto.ToECDSA(crypto.Keccak256(material))
	if err != nil {
		panic(err) // of 2¹²⁸ seeds not one gives an invalid key
	}
	return player{role: role, key: key, address: crypto.PubkeyToAddress(key.PublicKey)}
}

// players are all accounts that send transactions.
func (c cast) players() []player {
	all := []player{c.deployer, c.datasetOwner, c.requester, c.poolOwners[0], c.poolOwners[1]}
	for _, worker := range c.workers {
		all = append(all, worker.player)
	}
	return all
}

// kitty is where the stake of pools that fail a deal goes (FacetBase.KITTY_ADDRESS).
var kitty = common.HexToAddress("0x99c2268479b93fDe36232351229815DF80837e23")
