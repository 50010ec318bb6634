package settlement

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/contracts"
	"assay/schema/assaypb"
)

const depth = 2

var errDown = errors.New("the node does not answer")

// ledger is a chain with one contract: a task is initialized once. It forgets what waits
// in its pool when told to, and can abandon its newest blocks.
type ledger struct {
	blocks  [][]*types.Transaction
	pool    []*types.Transaction
	signer  types.Signer
	key     *ecdsa.PrivateKey
	down    bool  // answers nothing
	deaf    bool  // answers, and takes no transaction
	refuses bool  // the contract would refuse anything
	price   int64 // of gas, below which nothing is mined
	sent    map[common.Hash]int
}

func newLedger(t testing.TB) *ledger {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("owner")))
	if err != nil {
		t.Fatal(err)
	}
	return &ledger{blocks: make([][]*types.Transaction, 10), signer: types.LatestSignerForChainID(big.NewInt(1)), key: key, price: 1, sent: map[common.Hash]int{}}
}

func (l *ledger) owner() common.Address { return crypto.PubkeyToAddress(l.key.PublicKey) }

func (l *ledger) mined() []*types.Transaction {
	var all []*types.Transaction
	for _, block := range l.blocks {
		all = append(all, block...)
	}
	return all
}

// seal mines what waits and has its turn.
func (l *ledger) seal() {
	next := uint64(len(l.mined()))
	var block, rest []*types.Transaction
	for moved := true; moved; {
		moved, rest = false, nil
		for _, tx := range l.pool {
			switch {
			case tx.Nonce() == next && tx.GasPrice().Int64() >= l.price:
				block, next, moved = append(block, tx), next+1, true
			case tx.Nonce() >= next:
				rest = append(rest, tx)
			}
		}
		l.pool = rest
	}
	l.blocks = append(l.blocks, block)
}

// fork abandons blocks; what was in them waits again, or is forgotten.
func (l *ledger) fork(blocks int, forget bool) {
	gone := l.blocks[len(l.blocks)-blocks:]
	l.blocks = l.blocks[:len(l.blocks)-blocks]
	for _, block := range gone {
		if !forget {
			l.pool = append(l.pool, block...)
		}
	}
	for range blocks {
		l.blocks = append(l.blocks, nil)
	}
}

func (l *ledger) Head(context.Context) (uint64, uint64, error) {
	if l.down {
		return 0, 0, errDown
	}
	return uint64(len(l.blocks)), 1_700_000_000 + uint64(len(l.blocks)), nil
}

func (l *ledger) Nonce(context.Context, common.Address) (uint64, error) {
	return uint64(len(l.mined())), nil
}

// Statuses knows a task as active once a transaction named it.
func (l *ledger) Statuses(_ context.Context, tasks []common.Hash) ([]poco.TaskStatus, error) {
	statuses := make([]poco.TaskStatus, len(tasks))
	for i, task := range tasks {
		for _, tx := range l.mined() {
			if common.BytesToHash(tx.Data()) == task {
				statuses[i] = poco.TaskActive
			}
		}
	}
	return statuses, nil
}

func (l *ledger) Receipts(_ context.Context, hashes []common.Hash) ([]*types.Receipt, error) {
	receipts := make([]*types.Receipt, len(hashes))
	for number, block := range l.blocks {
		for _, tx := range block {
			for i, hash := range hashes {
				if tx.Hash() == hash {
					receipts[i] = &types.Receipt{Status: types.ReceiptStatusSuccessful, TxHash: hash, BlockNumber: big.NewInt(int64(number + 1))}
				}
			}
		}
	}
	return receipts, nil
}

func (l *ledger) Build(_ context.Context, _ common.Address, nonce uint64, intent *assaypb.Intent) (*types.Transaction, error) {
	if l.refuses {
		return nil, fmt.Errorf("estimating: %w", &contracts.RevertError{Reason: "no"})
	}
	return types.SignNewTx(l.key, l.signer, &types.LegacyTx{
		Nonce: nonce, Data: contracts.TaskID(common.BytesToHash(intent.Deal), intent.Index).Bytes(), Gas: 1, GasPrice: big.NewInt(l.price),
	})
}

func (l *ledger) Reprice(_ context.Context, old *types.Transaction) (*types.Transaction, error) {
	if l.down {
		return nil, errDown
	}
	if old.GasPrice().Int64() >= l.price {
		return nil, nil
	}
	return types.SignNewTx(l.key, l.signer, &types.LegacyTx{Nonce: old.Nonce(), Data: old.Data(), Gas: 1, GasPrice: big.NewInt(l.price)})
}

func (l *ledger) Send(_ context.Context, tx *types.Transaction) error {
	if l.deaf {
		return errDown
	}
	l.sent[tx.Hash()]++
	for _, known := range l.mined() {
		if known.Hash() == tx.Hash() {
			return nil
		}
	}
	if tx.Nonce() < uint64(len(l.mined())) {
		return fmt.Errorf("sending: %w", contracts.ErrNonceTooLow)
	}
	for i, known := range l.pool {
		switch {
		case known.Hash() == tx.Hash():
			return nil
		case known.Nonce() == tx.Nonce() && known.GasPrice().Cmp(tx.GasPrice()) >= 0:
			return fmt.Errorf("sending: %w", contracts.ErrUnderpriced)
		case known.Nonce() == tx.Nonce():
			l.pool[i] = tx
			return nil
		}
	}
	l.pool = append(l.pool, tx)
	return nil
}

// office is settlement with a log that can be read again.
type office struct {
	testing.TB
	ledger  *ledger
	log     []*assaypb.Decision
	settler *settler
	logFull bool // the log takes nothing
	intents int
}

func newOffice(t testing.TB) *office {
	o := &office{TB: t, ledger: newLedger(t)}
	o.restart()
	return o
}

var thePool = common.HexToAddress("0x9001")

// restart forgets everything but the log.
func (o *office) restart() {
	o.Helper()
	o.settler = &settler{
		outbox:        newOutbox(map[common.Address]common.Address{thePool: o.ledger.owner()}),
		chain:         o.ledger,
		chainID:       1,
		confirmations: depth,
		write:         o.write,
	}
	for _, decision := range o.log {
		o.fold(decision)
	}
}

func (o *office) fold(decision *assaypb.Decision) {
	o.Helper()
	if err := o.settler.outbox.fold(decision); err != nil {
		o.Fatal(err)
	}
}

func (o *office) write(_ context.Context, decisions []*assaypb.Decision) error {
	if o.logFull && len(decisions) > 0 {
		return errDown
	}
	for _, decision := range decisions {
		o.log = append(o.log, proto.Clone(decision).(*assaypb.Decision))
		o.fold(decision)
	}
	return nil
}

// intend has the engine decide on a transaction.
func (o *office) intend(index uint64) {
	o.Helper()
	o.intents++
	deal := common.Hash{1}
	decision := &assaypb.Decision{
		Id: crypto.Keccak256(contracts.TaskID(deal, index).Bytes()), Workerpool: thePool.Bytes(), Task: contracts.TaskID(deal, index).Bytes(),
		Body: &assaypb.Decision_Intent{Intent: &assaypb.Intent{Action: assaypb.Intent_INITIALIZE, Deal: deal.Bytes(), Index: index}},
	}
	o.log = append(o.log, decision)
	o.fold(decision)
}

// poll lets settlement take a step; a node that does not answer is no failure.
func (o *office) poll() {
	o.Helper()
	if err := o.settler.poll(o.Context()); err != nil && !errors.Is(err, errDown) {
		o.Fatal(err)
	}
}

func (o *office) outcomes() map[assaypb.Outcome_Status]int {
	counts := make(map[assaypb.Outcome_Status]int)
	for _, decision := range o.log {
		if outcome := decision.GetOutcome(); outcome != nil {
			counts[outcome.Status]++
		}
	}
	return counts
}

// work polls and seals until nothing is owed.
func (o *office) work() {
	o.Helper()
	for range 20 * resendAfter {
		o.poll()
		o.ledger.seal()
		if len(o.settler.outbox.debts) == 0 {
			return
		}
	}
	o.Fatalf("%d debts are never paid", len(o.settler.outbox.debts))
}

// TestPaid: written down, sent once, believed when deep enough.
func TestPaid(t *testing.T) {
	o := newOffice(t)
	for i := range uint64(5) {
		o.intend(i)
	}
	o.poll()
	submissions := 0
	for _, decision := range o.log {
		if decision.GetSubmission() != nil {
			submissions++
		}
	}
	if submissions != 5 || len(o.ledger.pool) != 5 {
		t.Fatalf("%d submissions written, %d transactions sent, want 5 and 5", submissions, len(o.ledger.pool))
	}
	o.ledger.seal()
	o.poll()
	if got := o.outcomes(); len(got) != 0 {
		t.Fatalf("believed before it was deep enough: %v", got)
	}
	o.ledger.seal()
	o.ledger.seal()
	o.poll()
	if got := o.outcomes(); got[assaypb.Outcome_SUCCEEDED] != 5 {
		t.Fatalf("outcomes %v, want 5 successes", got)
	}
}

// TestNothingIsSentThatIsNotWrittenDown: where the log takes nothing, nothing is sent.
func TestNothingIsSentThatIsNotWrittenDown(t *testing.T) {
	o := newOffice(t)
	o.intend(0)
	o.logFull = true
	if err := o.settler.poll(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("got %v, want the log's error", err)
	}
	if len(o.ledger.sent) != 0 {
		t.Error("a transaction was sent that is not in the log")
	}
}

// TestObsolete: what someone else has done is not done again.
func TestObsolete(t *testing.T) {
	o := newOffice(t)
	tx, err := o.ledger.Build(t.Context(), o.ledger.owner(), 0, &assaypb.Intent{Deal: common.Hash{1}.Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.ledger.Send(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	o.ledger.seal()
	o.intend(0)
	o.work()
	if got := o.outcomes(); got[assaypb.Outcome_OBSOLETE] != 1 || len(o.ledger.mined()) != 1 {
		t.Errorf("outcomes %v, %d transactions, want 1 obsolete and 1", got, len(o.ledger.mined()))
	}
}

// TestRefusedBeforeItIsSent: a call that would revert costs no gas and takes no nonce.
func TestRefusedBeforeItIsSent(t *testing.T) {
	o := newOffice(t)
	o.ledger.refuses = true
	o.intend(0)
	o.poll()
	if got := o.outcomes(); got[assaypb.Outcome_REVERTED] != 1 || len(o.ledger.sent) != 0 {
		t.Errorf("outcomes %v, %d sent, want 1 reverted and none", got, len(o.ledger.sent))
	}
	o.ledger.refuses = false
	o.intend(1)
	o.work()
	if got := o.outcomes(); got[assaypb.Outcome_SUCCEEDED] != 1 {
		t.Errorf("outcomes %v: the next transaction did not come through", got)
	}
}

// TestForgottenByTheNode: sent again, the same bytes.
func TestForgottenByTheNode(t *testing.T) {
	o := newOffice(t)
	o.intend(0)
	o.poll()
	o.ledger.pool = nil
	o.work()
	if len(o.ledger.sent) != 1 {
		t.Errorf("%d different transactions were sent for one intent", len(o.ledger.sent))
	}
}

// TestFeesRise: what pays too little is replaced under its own nonce, and is no second
// transaction. Either may be the one that is mined.
func TestFeesRise(t *testing.T) {
	for _, firstWins := range []bool{false, true} {
		o := newOffice(t)
		o.intend(0)
		o.intend(1)
		o.poll()
		cheap := o.ledger.pool[0]
		o.ledger.price = 9
		for range resendAfter {
			o.poll()
			o.ledger.seal()
		}
		if len(o.ledger.sent) != 4 {
			t.Fatalf("%d transactions were sent, want two and their replacements", len(o.ledger.sent))
		}
		if firstWins {
			mined := len(o.ledger.blocks) - 1
			o.ledger.blocks[mined] = append([]*types.Transaction{cheap}, o.ledger.blocks[mined][1:]...)
		}
		o.restart()
		o.work()
		if got := o.outcomes(); got[assaypb.Outcome_SUCCEEDED] != 2 || len(o.ledger.mined()) != 2 {
			t.Errorf("outcomes %v, %d transactions mined, want 2 and 2", got, len(o.ledger.mined()))
		}
	}
}

// TestNonceTakenBySomethingElse: the key was used elsewhere; another transaction is made.
func TestNonceTakenBySomethingElse(t *testing.T) {
	o := newOffice(t)
	o.intend(0)
	o.poll()
	o.ledger.pool = nil
	other, err := o.ledger.Build(t.Context(), o.ledger.owner(), 0, &assaypb.Intent{Deal: common.Hash{9}.Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.ledger.Send(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	o.ledger.seal()
	o.work()
	if got := o.outcomes(); got[assaypb.Outcome_SUCCEEDED] != 1 {
		t.Errorf("outcomes %v, want one success", got)
	}
}

// TestNoncesInFlightAreNotTakenAgain: what is written down keeps its nonce.
func TestNoncesInFlightAreNotTakenAgain(t *testing.T) {
	o := newOffice(t)
	for i := range uint64(3) {
		o.intend(i)
		o.poll()
		o.restart()
	}
	for i, tx := range o.ledger.pool {
		if tx.Nonce() != uint64(i) {
			t.Errorf("transaction %d has nonce %d", i, tx.Nonce())
		}
	}
	if len(o.ledger.pool) != 3 {
		t.Errorf("%d transactions wait, want 3", len(o.ledger.pool))
	}
}

// TestIntentWrittenTwice: a repeat that comes after the outcome changes nothing.
func TestIntentWrittenTwice(t *testing.T) {
	o := newOffice(t)
	o.intend(0)
	repeat := o.log[0]
	o.work()
	o.fold(repeat)
	if len(o.settler.outbox.debts) != 0 {
		t.Error("what was paid is owed again")
	}
}

// TestForeignDecisionsAreLeftAlone: other pools' intents, and decisions of other kinds.
func TestForeignDecisionsAreLeftAlone(t *testing.T) {
	o := newOffice(t)
	o.fold(&assaypb.Decision{Id: []byte{1}, Workerpool: []byte{2}, Body: &assaypb.Decision_Intent{Intent: &assaypb.Intent{}}})
	o.fold(&assaypb.Decision{Id: []byte{2}, Workerpool: thePool.Bytes(), Body: &assaypb.Decision_Alert{Alert: &assaypb.Alert{}}})
	if len(o.settler.outbox.debts) != 0 {
		t.Error("something is owed for another pool")
	}
}

// TestNeverTwiceNeverLost: crashes, forks, forgetful and silent nodes in any order; in
// the end every intent was carried out exactly once, and no nonce was left unused.
func TestNeverTwiceNeverLost(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		o := newOffice(t)
		intents := uint64(0)
		for range rapid.IntRange(10, 120).Draw(r, "steps") {
			switch rapid.IntRange(0, 10).Draw(r, "step") {
			case 0, 1:
				o.intend(intents)
				intents++
			case 2:
				o.restart()
			case 3:
				o.ledger.fork(rapid.IntRange(1, depth).Draw(r, "depth"), rapid.Bool().Draw(r, "forget"))
			case 4:
				o.ledger.pool = nil
			case 5:
				o.ledger.down = rapid.Bool().Draw(r, "down")
				o.ledger.deaf = rapid.Bool().Draw(r, "deaf")
			case 6, 7:
				o.ledger.seal()
			case 8:
				o.ledger.price = rapid.Int64Range(1, 3).Draw(r, "price")
			default:
				o.poll()
			}
		}
		o.ledger.down, o.ledger.deaf = false, false
		o.work()
		done := make(map[common.Hash]int)
		for nonce, tx := range o.ledger.mined() {
			if tx.Nonce() != uint64(nonce) {
				r.Fatalf("transaction %d has nonce %d", nonce, tx.Nonce())
			}
			done[common.BytesToHash(tx.Data())]++
		}
		for index := range intents {
			if times := done[contracts.TaskID(common.Hash{1}, index)]; times != 1 {
				r.Fatalf("intent %d was carried out %d times", index, times)
			}
		}
		if got := o.outcomes()[assaypb.Outcome_SUCCEEDED]; got != int(intents) {
			r.Fatalf("%d successes for %d intents: %v", got, intents, o.outcomes())
		}
	})
}
