package contracts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// node is a JSON-RPC server that answers by script, to show what nodes can do to us.
type node struct {
	answer func(method string, params json.RawMessage) (result any, err *nodeError)

	requests chan int // elements of each HTTP request
}

type nodeError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

type nodeCall struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var calls []nodeCall
	single := !strings.HasPrefix(string(body), "[")
	if single {
		body = append(append([]byte("["), body...), ']')
	}
	if err := json.Unmarshal(body, &calls); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n.requests <- len(calls)
	answers := make([]map[string]any, len(calls))
	for i, call := range calls {
		answers[i] = map[string]any{"jsonrpc": "2.0", "id": call.ID}
		if result, err := n.answer(call.Method, call.Params); err != nil {
			answers[i]["error"] = err
		} else {
			answers[i]["result"] = result
		}
	}
	w.Header().Set("Content-Type", "application/json")
	var reply any = answers
	if single {
		reply = answers[0]
	}
	if err := json.NewEncoder(w).Encode(reply); err != nil {
		panic(err)
	}
}

func startNode(t *testing.T, answer func(method string, params json.RawMessage) (any, *nodeError)) (*node, *rpc.Client) {
	t.Helper()
	n := &node{answer: answer, requests: make(chan int, 100)}
	server := httptest.NewServer(n)
	client, err := rpc.Dial(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return n, client
}

func uintAnswer(value int64) string { return hexutil.Encode(number(big.NewInt(value))) }

func TestBatchIsBounded(t *testing.T) {
	n, client := startNode(t, func(string, json.RawMessage) (any, *nodeError) { return uintAnswer(7), nil })
	c := NewClient(client, common.Address{1})
	scores := make([]*big.Int, 2*MaxBatch+50)
	reads := make([]*Read, len(scores))
	for i := range reads {
		reads[i] = c.ReadScore(common.BigToAddress(big.NewInt(int64(i))), &scores[i])
	}
	if err := c.Batch(t.Context(), Latest, reads...); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{MaxBatch, MaxBatch, 50} {
		if got := <-n.requests; got != want {
			t.Errorf("request %d held %d reads; want %d", i, got, want)
		}
	}
	for i, score := range scores {
		if reads[i].Err != nil || score.Int64() != 7 {
			t.Fatalf("read %d gave %v, %v", i, score, reads[i].Err)
		}
	}
}

func TestBatchReadsAtTheBlockAskedFor(t *testing.T) {
	hash := common.Hash{9}
	for want, at := range map[string]At{
		`"latest"`: Latest, `"0x10"`: AtNumber(16),
		`{"blockHash":"` + hash.Hex() + `"}`: AtHash(hash),
	} {
		var got string
		_, client := startNode(t, func(_ string, params json.RawMessage) (any, *nodeError) {
			var parts []json.RawMessage
			if err := json.Unmarshal(params, &parts); err == nil && len(parts) == 2 {
				got = string(parts[1])
			}
			return uintAnswer(1), nil
		})
		if _, err := NewClient(client, common.Address{}).Score(t.Context(), common.Address{}, at); err != nil || got != want {
			t.Errorf("asked for block %s, %v; want %s", got, err, want)
		}
	}
}

// Each read of a batch fails by itself.
func TestBatchErrorsArePerRead(t *testing.T) {
	i := -1
	answers := []struct {
		result any
		err    *nodeError
		want   string
	}{
		{result: uintAnswer(5), want: ""},
		{err: &nodeError{Code: 3, Message: "execution reverted: no", Data: revertData("no")}, want: "the contract reverted: no"},
		{err: &nodeError{Code: -32000, Message: "execution reverted"}, want: "the contract reverted without a reason"},
		{err: &nodeError{Code: 3, Message: "execution reverted", Data: "0x12345678"}, want: "the contract reverted: 0x12345678"},
		{err: &nodeError{Code: -32000, Message: "missing trie node"}, want: "missing trie node"},
		{result: "0x", want: ErrNoContract.Error()},
		{result: "0x01", want: "unexpected answer"},
		{result: "not hex", want: "hex string"},
		{result: 17, want: "cannot unmarshal"},
	}
	_, client := startNode(t, func(string, json.RawMessage) (any, *nodeError) {
		i++
		return answers[i].result, answers[i].err
	})
	c := NewClient(client, common.Address{1})
	var value *big.Int
	reads := make([]*Read, len(answers))
	for i := range reads {
		reads[i] = c.ReadScore(common.Address{}, &value)
	}
	if err := c.Batch(t.Context(), Latest, reads...); err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if got := fmt.Sprint(reads[i].Err); a.want == "" && reads[i].Err != nil || !strings.Contains(got, a.want) {
			t.Errorf("read %d gives %s; want %q", i, got, a.want)
		}
	}
}

func revertData(reason string) string {
	data := append(common.FromHex("0x08c379a0"), number(big.NewInt(32))...)
	data = append(data, number(big.NewInt(int64(len(reason))))...)
	return hexutil.Encode(append(data, common.RightPadBytes([]byte(reason), 32)...))
}

func TestUnreachableNode(t *testing.T) {
	_, client := startNode(t, nil)
	client.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewClient(client, common.Address{}).Deal(ctx, common.Hash{}, Latest); err == nil {
		t.Error("reading from a closed client succeeds")
	}
}

func TestCategoriesDoNotTrustTheirCount(t *testing.T) {
	_, client := startNode(t, func(string, json.RawMessage) (any, *nodeError) {
		return hexutil.Encode(number(maxUint256)), nil
	})
	if categories, err := NewClient(client, common.Address{}).Categories(t.Context(), Latest); err == nil {
		t.Errorf("read %d categories of 2^256-1", len(categories))
	}
}

func TestReasons(t *testing.T) {
	for data, want := range map[string]string{
		"0x":                "",
		revertData("hello"): "hello",
		"0x4e487b710000000000000000000000000000000000000000000000000000000000000011": "arithmetic underflow or overflow",
		"0x227bc153": "MathOverflowedMulDiv[]",
		"0x08c379a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": "0x08c379a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0xdeadbeef": "0xdeadbeef",
	} {
		if got := reasonOf(common.FromHex(data)); got != want {
			t.Errorf("reason of %s is %q; want %q", data, got, want)
		}
	}
	if got := reasonOf(make([]byte, 1<<20)); len(got) > 2*maxReason+2 {
		t.Errorf("a reason of a megabyte is kept as %d characters", len(got))
	}
}

func FuzzReason(f *testing.F) {
	f.Add(common.FromHex(revertData("hello")))
	f.Add(common.FromHex("0x227bc153"))
	f.Fuzz(func(_ *testing.T, data []byte) { reasonOf(data) })
}

func testWallet(t *testing.T, answer func(string, json.RawMessage) (any, *nodeError)) *Wallet {
	t.Helper()
	key, _ := testKey(t)
	_, client := startNode(t, answer)
	return NewWallet(client, key, 5)
}

func signedTx(t *testing.T, w *Wallet) *types.Transaction {
	t.Helper()
	tx, err := w.SignWith(Tx{To: &common.Address{}, Nonce: 1, Gas: 21000}, Fees{Tip: big.NewInt(1), Max: big.NewInt(2)})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func receiptAnswer(hash common.Hash) map[string]any {
	return map[string]any{"transactionHash": hash, "status": "0x1", "cumulativeGasUsed": "0x1", "gasUsed": "0x1",
		"logs": []any{}, "logsBloom": hexutil.Encode(make([]byte, 256)), "blockNumber": "0x1", "type": "0x2"}
}

func TestSubmit(t *testing.T) {
	for name, c := range map[string]struct {
		message string
		mined   bool
		want    error
	}{
		"accepted":               {message: ""},
		"known":                  {message: "already known"},
		"in a block":             {message: "nonce too low: next nonce 2, tx nonce 1", mined: true},
		"nonce spent by another": {message: "nonce too low: next nonce 2, tx nonce 1", want: ErrNonceTooLow},
		"nonce waits":            {message: "replacement transaction underpriced", want: ErrUnderpriced},
	} {
		var hash common.Hash
		w := testWallet(t, func(method string, _ json.RawMessage) (any, *nodeError) {
			switch {
			case method == "eth_sendRawTransaction" && c.message != "":
				return nil, &nodeError{Code: -32000, Message: c.message}
			case method == "eth_getTransactionReceipt" && c.mined:
				return receiptAnswer(hash), nil
			default:
				return nil, nil
			}
		})
		tx := signedTx(t, w)
		hash = tx.Hash()
		if err := w.Submit(t.Context(), tx); !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", name, err, c.want)
		}
	}
	w := testWallet(t, func(string, json.RawMessage) (any, *nodeError) {
		return nil, &nodeError{Code: -32000, Message: "insufficient funds for gas * price + value"}
	})
	if err := w.Submit(t.Context(), signedTx(t, w)); err == nil || !strings.Contains(err.Error(), "insufficient funds") {
		t.Errorf("a refusal gives %v", err)
	}
}

// A node that still indexes does not know yet; that is no error, and no absence for good. Nor
// is a receipt worth anything before the node's newest state has its block.
func TestWaitOutlastsIndexing(t *testing.T) {
	var asked, heads int
	var hash common.Hash
	w := testWallet(t, func(method string, _ json.RawMessage) (any, *nodeError) {
		if method == "eth_blockNumber" {
			heads++
			return []string{"0x0", "0x1"}[heads-1], nil
		}
		switch asked++; asked {
		case 1:
			return nil, nil
		case 2:
			return nil, &nodeError{Code: -32000, Message: "transaction indexing is in progress"}
		default:
			return receiptAnswer(hash), nil
		}
	})
	tx := signedTx(t, w)
	hash = tx.Hash()
	receipt, err := w.Wait(t.Context(), hash)
	if err != nil || receipt.TxHash != hash || asked != 4 || heads != 2 {
		t.Errorf("%v, %v after %d and %d questions", receipt, err, asked, heads)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	w := testWallet(t, func(string, json.RawMessage) (any, *nodeError) { return nil, nil })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := w.Wait(ctx, common.Hash{1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v; want the context's error", err)
	}
}

func TestFees(t *testing.T) {
	for name, c := range map[string]struct {
		baseFee any
		want    string
	}{
		"with a base fee": {"0x64", "tip 7, max 207"},
		"without":         {nil, "tip <nil>, max 5"},
	} {
		w := testWallet(t, func(method string, _ json.RawMessage) (any, *nodeError) {
			switch method {
			case "eth_maxPriorityFeePerGas":
				return "0x7", nil
			case "eth_gasPrice":
				return "0x5", nil
			default:
				return headerAnswer(c.baseFee), nil
			}
		})
		fees, err := w.Fees(t.Context())
		if got := fmt.Sprintf("tip %v, max %v", fees.Tip, fees.Max); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
		tx, err := w.SignWith(Tx{To: &common.Address{}, Gas: 21000}, fees)
		if err != nil {
			t.Fatal(err)
		}
		if dynamic := tx.Type() == types.DynamicFeeTxType; dynamic != (c.baseFee != nil) {
			t.Errorf("%s: the transaction has type %d", name, tx.Type())
		}
		if sender, err := types.Sender(types.LatestSignerForChainID(big.NewInt(5)), tx); err != nil || sender != w.Address() {
			t.Errorf("%s: the transaction is from %s, %v", name, sender, err)
		}
	}
}

func headerAnswer(baseFee any) map[string]any {
	zero := common.Hash{}
	header := map[string]any{"parentHash": zero, "sha3Uncles": zero, "miner": common.Address{}, "stateRoot": zero,
		"transactionsRoot": zero, "receiptsRoot": zero, "logsBloom": hexutil.Encode(make([]byte, 256)), "difficulty": "0x0",
		"number": "0x1", "gasLimit": "0x1", "gasUsed": "0x0", "timestamp": "0x1", "extraData": "0x", "mixHash": zero,
		"nonce": "0x0000000000000000"}
	if baseFee != nil {
		header["baseFeePerGas"] = baseFee
	}
	return header
}

func TestEstimateLeavesRoomButNotTooMuch(t *testing.T) {
	for answer, want := range map[uint64]uint64{100_000: 200_000, 15_000_000: 1 << 24, 20_000_000: 20_000_000} {
		w := testWallet(t, func(string, json.RawMessage) (any, *nodeError) { return hexutil.Uint64(answer), nil })
		if got, err := w.Estimate(t.Context(), common.Address{}, nil, nil); err != nil || got != want {
			t.Errorf("of %d the limit is %d, %v; want %d", answer, got, err, want)
		}
	}
}

func TestSignIsDeterministic(t *testing.T) {
	w := testWallet(t, nil)
	if a, b := signedTx(t, w), signedTx(t, w); a.Hash() != b.Hash() {
		t.Errorf("the same transaction was signed as %s and %s", a.Hash(), b.Hash())
	}
}
