package market

import (
	"crypto/ecdsa"
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"assay/consensus/poco"
	"assay/consensus/poco/wire"
	"assay/contracts"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// Preset is the market's chain.
var Preset = chains.Preset{
	Name: "market", ChainID: 31337,
	Hub:                "0x1000000000000000000000000000000000000001",
	AppRegistry:        "0x1000000000000000000000000000000000000002",
	DatasetRegistry:    "0x1000000000000000000000000000000000000003",
	WorkerpoolRegistry: "0x1000000000000000000000000000000000000004",
}

// Choose picks a number in [0, n); the market's every decision.
type Choose func(n int) int

// People is how many accounts play. The first owns the hub.
const People = 6

// Block is a block of the market's chain; without events it is not in any log.
type Block struct {
	*assaypb.Block
	mark poco.Mark
	rig  rig
}

// rig is what the market remembers beside the contract's state.
type rig struct {
	resources map[poco.ResourceKind][]poco.Address
	deals     []poco.Hash
	tasks     []poco.Hash
	category  uint64
}

// Market is the chain and its players.
type Market struct {
	State  *poco.State // after the newest block
	Blocks []Block     // canonical, oldest first
	choose Choose
	keys   []*ecdsa.PrivateKey
	people []poco.Address
	rig    rig
	salt   uint64
}

// New starts a market at block 0, which is empty.
func New(choose Choose) *Market {
	m := &Market{choose: choose, rig: rig{resources: map[poco.ResourceKind][]poco.Address{}}}
	for i := range People {
		key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i)}))
		if err != nil {
			panic(err) // the hash of a constant
		}
		m.keys = append(m.keys, key)
		m.people = append(m.people, crypto.PubkeyToAddress(key.PublicKey))
	}
	rules := poco.RulesOf(Preset)
	rules.Owner = m.people[0]
	m.State = poco.New(rules)
	m.Blocks = []Block{{Block: &assaypb.Block{Hash: crypto.Keccak256([]byte("genesis")), ParentHash: make([]byte, 32), Time: 1_700_000_000}}}
	return m
}

// Person is the address of a player.
func (m *Market) Person(i int) poco.Address { return m.people[i] }

// Head is the newest block.
func (m *Market) Head() Block { return m.Blocks[len(m.Blocks)-1] }

// Grow adds a block with some random calls.
func (m *Market) Grow(calls int) Block {
	return m.Seal(1+uint64(m.choose(40)), func() {
		for range calls {
			m.act()
		}
	})
}

// Seal adds a block, so many seconds after the newest, with what play plays.
func (m *Market) Seal(seconds uint64, play func()) Block {
	head := m.Head()
	m.salt++
	block := Block{
		Block: &assaypb.Block{Number: head.Number + 1, ParentHash: head.Hash, Time: head.Time + seconds},
		mark:  m.State.Mark(), rig: m.rig.clone(),
	}
	var salt [8]byte
	binary.BigEndian.PutUint64(salt[:], m.salt)
	block.Hash = crypto.Keccak256(head.Hash, salt[:])
	m.Blocks = append(m.Blocks, block)
	play()
	return block
}

// Fork abandons the newest blocks and returns them, newest first.
func (m *Market) Fork(depth int) []Block {
	var gone []Block
	for range min(depth, len(m.Blocks)-1) {
		block := m.Head()
		if err := m.State.Rollback(block.mark); err != nil {
			panic(err) // the market never releases a mark
		}
		m.rig, m.Blocks = block.rig, m.Blocks[:len(m.Blocks)-1]
		gone = append(gone, block)
	}
	return gone
}

// Call plays one transaction and returns whether the contract took it.
func (m *Market) Call(sender poco.Address, command poco.Command) bool {
	block := m.Head()
	at := poco.Block{Number: block.Number, Time: block.Time}
	events, err := m.State.Decide(at, sender, command)
	if err != nil {
		return false
	}
	tx := m.transaction(sender)
	for _, event := range events {
		if err := m.State.Evolve(at, event); err != nil {
			panic(fmt.Errorf("evolving what was decided for %T: %w", command, err))
		}
		message := wire.ToProto(event)
		message.LogIndex = uint32(2 * len(block.Events)) // other contracts emit in between
		message.TxHash, message.TxIndex = tx.Hash, tx.Index
		message.Emitter = common.HexToAddress(Preset.Hub).Bytes()
		block.Block.Events = append(block.Block.Events, message)
		m.remember(event)
	}
	return true
}

// transaction adds one to the newest block.
func (m *Market) transaction(sender poco.Address) *assaypb.Transaction {
	block := m.Head()
	n := len(block.Transactions)
	tx := &assaypb.Transaction{
		Hash: crypto.Keccak256(block.Hash, []byte{byte(len(block.Events)), byte(len(block.Events) >> 8)}), Index: uint32(n), From: sender.Bytes(),
		To: common.HexToAddress(Preset.Hub).Bytes(), GasLimit: 1_000_000, GasUsed: 100_000 + uint64(n), GasPrice: []byte{0x3b, 0x9a, 0xca, 0x00},
	}
	block.Block.Transactions = append(block.Block.Transactions, tx)
	return tx
}

func (m *Market) remember(event poco.Event) {
	switch e := event.(type) {
	case poco.OrdersMatched:
		m.rig.deals = append(m.rig.deals, e.Deal)
	case poco.TaskInitialize:
		m.rig.tasks = append(m.rig.tasks, e.Task)
	case poco.CreateCategory:
		m.rig.category++
	case poco.ResourceTransfer:
		if e.From == (poco.Address{}) {
			m.rig.resources[e.Kind] = append(m.rig.resources[e.Kind], e.Resource)
		}
	}
}

func (r rig) clone() rig {
	c := rig{resources: map[poco.ResourceKind][]poco.Address{}, category: r.category}
	for kind, list := range r.resources {
		c.resources[kind] = append([]poco.Address(nil), list...)
	}
	c.deals = append(c.deals, r.deals...)
	c.tasks = append(c.tasks, r.tasks...)
	return c
}

// Authorize is the signature by which the task's scheduler lets a worker contribute.
func (m *Market) Authorize(task poco.Hash, worker poco.Address) []byte {
	t, ok := m.State.Task(task)
	if !ok {
		return nil
	}
	deal, _ := m.State.Deal(t.Deal)
	sign, err := contracts.SignMessage(m.keyOf(deal.Workerpool.Owner), contracts.AuthorizationHash(worker, task, common.Address{}))
	if err != nil {
		panic(err) // a hash can always be signed
	}
	return sign
}

func (m *Market) keyOf(owner poco.Address) *ecdsa.PrivateKey {
	for i, person := range m.people {
		if person == owner {
			return m.keys[i]
		}
	}
	panic(fmt.Sprintf("nobody has the key of %s", owner))
}

func amount(n int) poco.Amount { return *uint256.NewInt(uint64(n)) }
