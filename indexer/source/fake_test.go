package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

var preset = chains.Preset{
	Name: "fake", ChainID: 31337,
	Hub:                "0x1000000000000000000000000000000000000001",
	WorkerpoolRegistry: "0x1000000000000000000000000000000000000004",
}

var (
	hub           = common.HexToAddress(preset.Hub)
	pool          = common.HexToAddress("0x2000000000000000000000000000000000000001") // registered
	impostor      = common.HexToAddress("0x2000000000000000000000000000000000000002") // not
	transferTopic = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
)

// fakeBlock is a block of a scripted node.
type fakeBlock struct {
	header
	logs []types.Log
}

// fakeNode is a scripted chain behind JSON-RPC. Every block it ever had can still be asked
// for by hash.
type fakeNode struct {
	mu       sync.Mutex
	chain    []*fakeBlock // canonical, by number
	all      map[common.Hash]*fakeBlock
	born     []*fakeBlock // all, in the order in which they were made
	finality uint64       // blocks behind the head that are final
	final    uint64       // newest final block ever
	salt     uint64
	chainID  uint64
	noCode   bool
	noTag    bool // the node does not know the finalized tag
	maxRange uint64
	fault    func(method string) error
	corrupt  func(logs []types.Log) []types.Log
	calls    map[string]int
}

func newFakeNode() *fakeNode {
	n := &fakeNode{all: map[common.Hash]*fakeBlock{}, chainID: preset.ChainID, finality: 5, calls: map[string]int{}}
	n.grow(nil)
	return n
}

// grow adds a block whose logs come from these emitters: the hub moves stake, others
// change a policy.
func (n *fakeNode) grow(emitters []common.Address) *fakeBlock {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.salt++
	var salt [8]byte
	binary.BigEndian.PutUint64(salt[:], n.salt)
	b := &fakeBlock{header: header{Number: uint64(len(n.chain)), Time: 1_700_000_000 + n.salt}}
	if b.Number > 0 {
		b.Parent = n.chain[b.Number-1].Hash
	}
	b.Hash = crypto.Keccak256Hash(b.Parent[:], salt[:])
	for i, emitter := range emitters {
		b.logs = append(b.logs, n.logOf(b, emitter, uint(3*i)))
	}
	n.chain = append(n.chain, b)
	n.all[b.Hash], n.born = b, append(n.born, b)
	if b.Number > n.finality {
		n.final = max(n.final, b.Number-n.finality)
	}
	return b
}

func (n *fakeNode) logOf(b *fakeBlock, emitter common.Address, index uint) types.Log {
	log := types.Log{
		Address: emitter, BlockNumber: b.Number, BlockHash: b.Hash, Index: index, TxHash: crypto.Keccak256Hash(b.Hash[:]),
		Topics: []common.Hash{transferTopic, {}, common.BytesToHash(hub[:])}, Data: common.BigToHash(common.Big32).Bytes(),
	}
	if emitter != hub {
		log.Topics, log.Data = []common.Hash{contracts.PolicyUpdateTopic}, make([]byte, 4*32)
	}
	return log
}

// fork abandons the newest blocks, but no final ones.
func (n *fakeNode) fork(depth int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.chain = n.chain[:max(int(n.final)+1, len(n.chain)-depth)]
}

// flip makes a block of any branch the head, if no final block is abandoned for it.
func (n *fakeNode) flip(pick func(n int) int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	tip := n.born[pick(len(n.born))]
	chain := make([]*fakeBlock, tip.Number+1)
	for b := tip; ; b = n.all[b.Parent] {
		if chain[b.Number] = b; b.Number == 0 {
			break
		}
	}
	if tip.Number > n.final && chain[n.final] == n.chain[n.final] {
		n.chain = chain
	}
}

func (n *fakeNode) head() header {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.chain[len(n.chain)-1].header
}

// client speaks to the node in-process.
func (n *fakeNode) client(t testing.TB) *rpc.Client {
	t.Helper()
	server := rpc.NewServer()
	if err := server.RegisterName("eth", &fakeAPI{n}); err != nil {
		t.Fatal(err)
	}
	client := rpc.DialInProc(server)
	t.Cleanup(func() { client.Close(); server.Stop() })
	return client
}

// fakeAPI are the methods that the node serves.
type fakeAPI struct{ n *fakeNode }

func (a *fakeAPI) enter(method string) (*fakeNode, func(), error) {
	a.n.mu.Lock()
	a.n.calls[method]++
	if a.n.fault != nil {
		if err := a.n.fault(method); err != nil {
			a.n.mu.Unlock()
			return nil, nil, err
		}
	}
	return a.n, a.n.mu.Unlock, nil
}

func (a *fakeAPI) ChainId() (hexutil.Uint64, error) {
	n, leave, err := a.enter("chainId")
	if err != nil {
		return 0, err
	}
	defer leave()
	return hexutil.Uint64(n.chainID), nil
}

func (a *fakeAPI) GetCode(common.Address, string) (hexutil.Bytes, error) {
	n, leave, err := a.enter("getCode")
	if err != nil {
		return nil, err
	}
	defer leave()
	if n.noCode {
		return nil, nil
	}
	return hexutil.Bytes{1}, nil
}

func (a *fakeAPI) GetBlockByNumber(tag string, _ bool) (map[string]any, error) {
	n, leave, err := a.enter("getBlockByNumber")
	if err != nil {
		return nil, err
	}
	defer leave()
	switch tag {
	case "latest":
		return n.chain[len(n.chain)-1].json(), nil
	case "finalized":
		if n.noTag || n.final == 0 {
			return nil, errors.New("finalized block not found")
		}
		return n.chain[n.final].json(), nil
	}
	number, err := hexutil.DecodeUint64(tag)
	if err != nil || number >= uint64(len(n.chain)) {
		return nil, err
	}
	return n.chain[number].json(), nil
}

// GetBlockByHash shows a block. Its one transaction is of a kind that Ethereum does not
// have, so that its hash tells nothing.
func (a *fakeAPI) GetBlockByHash(hash common.Hash, full bool) (map[string]any, error) {
	n, leave, err := a.enter("getBlockByHash")
	if err != nil {
		return nil, err
	}
	defer leave()
	out := n.all[hash].json()
	if out != nil && full {
		out["transactions"] = []any{map[string]any{"type": "0x6a", "hash": crypto.Keccak256Hash(hash[:]), "from": pool, "value": "0x5", "gas": "0x6"}}
	}
	return out, nil
}

func (a *fakeAPI) GetTransactionReceipt(hash common.Hash) (map[string]any, error) {
	n, leave, err := a.enter("getTransactionReceipt")
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, b := range n.chain {
		if crypto.Keccak256Hash(b.Hash[:]) == hash {
			return map[string]any{"blockHash": b.Hash, "transactionHash": hash, "gasUsed": "0x7", "effectiveGasPrice": "0x8"}, nil
		}
	}
	return nil, nil
}

func (b *fakeBlock) json() map[string]any {
	if b == nil {
		return nil
	}
	return map[string]any{
		"number": hexutil.Uint64(b.Number), "hash": b.Hash, "parentHash": b.Parent, "timestamp": hexutil.Uint64(b.Time),
	}
}

type fakeFilter struct {
	BlockHash          *common.Hash     `json:"blockHash"`
	FromBlock, ToBlock hexutil.Uint64   //
	Address            []common.Address `json:"address"`
	Topics             [][]common.Hash  `json:"topics"`
}

func (a *fakeAPI) GetLogs(f fakeFilter) ([]types.Log, error) {
	n, leave, err := a.enter("getLogs")
	if err != nil {
		return nil, err
	}
	defer leave()
	var blocks []*fakeBlock
	if f.BlockHash != nil {
		if n.all[*f.BlockHash] == nil {
			return nil, errors.New("unknown block")
		}
		blocks = append(blocks, n.all[*f.BlockHash])
	} else {
		if n.maxRange > 0 && uint64(f.ToBlock-f.FromBlock) >= n.maxRange {
			return nil, errors.New("query exceeds the largest range")
		}
		blocks = n.chain[f.FromBlock : f.ToBlock+1]
	}
	logs := []types.Log{}
	for _, b := range blocks {
		for _, log := range b.logs {
			if f.matches(log) {
				logs = append(logs, log)
			}
		}
	}
	if n.corrupt != nil {
		logs = n.corrupt(logs)
	}
	return logs, nil
}

func (f fakeFilter) matches(log types.Log) bool {
	if f.Address != nil && !slices.Contains(f.Address, log.Address) {
		return false
	}
	return len(f.Topics) == 0 || slices.Contains(f.Topics[0], log.Topics[0])
}

// Call answers isRegistered of the registry of workerpools.
func (a *fakeAPI) Call(call struct{ Data hexutil.Bytes }, _ any) (hexutil.Bytes, error) {
	_, leave, err := a.enter("call")
	if err != nil {
		return nil, err
	}
	defer leave()
	if common.BytesToAddress(call.Data[4:]) == pool {
		return common.BigToHash(common.Big1).Bytes(), nil
	}
	return make([]byte, 32), nil
}

// memoryLog is a log in memory whose appends may fail.
type memoryLog struct {
	mu       sync.Mutex
	messages []kafka.Message
	fault    func(messages int) (written int, err error) // of an append
	before   func()                                      // an append
}

func (l *memoryLog) CreateTopic(context.Context, string, int, int) error { return nil }

func (l *memoryLog) End(context.Context, string, int) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.messages)), nil
}

func (l *memoryLog) AppendAt(_ context.Context, _ string, _ int, offset int64, messages ...kafka.Message) error {
	if l.before != nil {
		l.before()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	end := int64(len(l.messages))
	written, err := len(messages), error(nil)
	if l.fault != nil {
		written, err = l.fault(len(messages))
	}
	for _, m := range messages[:written] {
		m.Offset = int64(len(l.messages))
		l.messages = append(l.messages, m)
	}
	if err == nil && end != offset {
		err = kafka.ErrElsewhere
	}
	return err
}

func (l *memoryLog) Read(_ context.Context, _ string, _ int, from, to int64, handle func(kafka.Message) error) error {
	l.mu.Lock()
	messages := slices.Clone(l.messages[from:to])
	l.mu.Unlock()
	for _, m := range messages {
		if err := handle(m); err != nil {
			return err
		}
	}
	return nil
}

// records are the log's, those left out that do not count.
func (l *memoryLog) records(t testing.TB) []*assaypb.ChainRecord {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*assaypb.ChainRecord
	for _, m := range l.messages {
		record, counts, err := schema.ReadRecord(m.Value, m.Offset)
		if err != nil {
			t.Fatal(err)
		}
		if !counts {
			continue
		}
		if record.Sequence > uint64(len(out)) || record.ChainId != preset.ChainID || string(m.Key) != strconv.FormatUint(preset.ChainID, 10) {
			t.Fatalf("offset %d: record %d of chain %d, key %q, after %d records", m.Offset, record.Sequence, record.ChainId, m.Key, len(out))
		}
		if record.Sequence == uint64(len(out)) {
			out = append(out, record)
		}
	}
	return out
}

// audit checks a log against everything the node ever had: at each mark the log holds
// exactly the blocks with wanted events that lead to the mark's head, and retractions
// come newest first. It returns the newest mark.
func audit(n *fakeNode, records []*assaypb.ChainRecord) (last *assaypb.Mark, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var held []*assaypb.Block
	for _, r := range records {
		switch body := r.Body.(type) {
		case *assaypb.ChainRecord_Block:
			if len(held) > 0 && body.Block.Number <= held[len(held)-1].Number {
				return nil, fmt.Errorf("record %d: block %d after block %d", r.Sequence, body.Block.Number, held[len(held)-1].Number)
			}
			held = append(held, body.Block)
		case *assaypb.ChainRecord_Retraction:
			if len(held) == 0 || common.BytesToHash(held[len(held)-1].Hash) != common.BytesToHash(body.Retraction.Hash) {
				return nil, fmt.Errorf("record %d retracts block %d, which is not the newest", r.Sequence, body.Retraction.Number)
			}
			held = held[:len(held)-1]
		case *assaypb.ChainRecord_Mark:
			if err := n.checkMark(held, last, body.Mark); err != nil {
				return nil, fmt.Errorf("record %d: %w", r.Sequence, err)
			}
			last = body.Mark
		}
	}
	return last, nil
}

func (n *fakeNode) checkMark(held []*assaypb.Block, before, mark *assaypb.Mark) error {
	if before != nil && (mark.FinalizedNumber < before.FinalizedNumber || common.BytesToHash(mark.HeadHash) == common.BytesToHash(before.HeadHash)) {
		return fmt.Errorf("mark %v follows %v", mark, before)
	}
	i := len(held) - 1
	for b := n.all[common.BytesToHash(mark.HeadHash)]; ; b = n.all[b.Parent] {
		if b.Number == mark.FinalizedNumber && b.Hash != common.BytesToHash(mark.FinalizedHash) {
			return fmt.Errorf("the mark's final block %d is not below its head", b.Number)
		}
		wanted := 0
		for _, log := range b.logs {
			if log.Address != impostor {
				wanted++
			}
		}
		if wanted > 0 && b.Number >= preset.StartBlock {
			if i < 0 || common.BytesToHash(held[i].Hash) != b.Hash || len(held[i].Events) != wanted || held[i].Time != b.Time {
				return fmt.Errorf("at mark %d the log lacks block %d, or some of its %d events", mark.HeadNumber, b.Number, wanted)
			}
			i--
		}
		if b.Number == 0 {
			break
		}
	}
	if i >= 0 {
		return fmt.Errorf("at mark %d the log holds block %d, which does not lead there", mark.HeadNumber, held[i].Number)
	}
	return nil
}

func newSource(t testing.TB, n *fakeNode, l Log) *Source {
	return sourceOf(t, preset, n, l)
}

func sourceOf(t testing.TB, p chains.Preset, n *fakeNode, l Log) *Source {
	t.Helper()
	s := New(Config{
		Preset: p, Endpoints: []Endpoint{{Name: "fake", RPC: n.client(t)}}, Verify: VerifyOff, Kafka: l, Topic: "log", Poll: time.Millisecond,
		Log: slog.New(slog.DiscardHandler),
	})
	s.pause = func(int) time.Duration { return 100 * time.Microsecond }
	s.nodes.pause = s.pause
	return s
}

// run starts a source and returns how to stop it, which returns what Run returned. If the
// node does not answer at the very start, it is started again.
func run(s *Source) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := s.Run(ctx)
		for err != nil && gradeOf(err) == temporary && s.Status().Head == 0 {
			err = s.Run(ctx)
		}
		done <- err
	}()
	return func() error {
		cancel()
		return <-done
	}
}

// catchUp runs a source until the log's newest mark is at the node's head.
func catchUp(t testing.TB, s *Source, n *fakeNode, l *memoryLog) {
	t.Helper()
	stop := run(s)
	eventually(t, "the log reaches the head", func() bool { return atHead(t, n, l) })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func atHead(t testing.TB, n *fakeNode, l *memoryLog) bool {
	t.Helper()
	records := l.records(t)
	for i := len(records) - 1; i >= 0; i-- {
		if mark := records[i].GetMark(); mark != nil {
			return common.BytesToHash(mark.HeadHash) == n.head().Hash
		}
	}
	return false
}

// eventually waits until the condition holds; the sources tell what hindered them.
func eventually(t testing.TB, what string, condition func() bool, sources ...*Source) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			for _, s := range sources {
				t.Logf("%+v", s.Status())
			}
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
