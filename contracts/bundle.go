package contracts

import (
	"context"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts/multicall"
)

// bundleReads is how many reads go into one multicall: so many deals fit into what a
// multicall can return. Longer answers, of parameters or results, make it fail.
const bundleReads = 20

// bundle makes the reads as multicalls and tells whether all of them worked. If not, no
// read has an answer: the node may not allow it, one contract may have burnt the gas of
// all, or the answer was too long.
func (c *Client) bundle(ctx context.Context, reads []*Read) bool {
	var batch []rpc.BatchElem
	for i := 0; i < len(reads); i += bundleReads {
		var calls []multicall.Call
		for _, r := range reads[i:min(len(reads), i+bundleReads)] {
			calls = append(calls, multicall.Call{To: r.to, Data: r.data})
		}
		call := map[string]any{"data": hexutil.Bytes(multicall.Encode(calls))}
		batch = append(batch, rpc.BatchElem{Method: "eth_call", Args: []any{call, "latest"}, Result: new(hexutil.Bytes)})
	}
	if c.rpc.BatchCallContext(ctx, batch) != nil {
		return false
	}
	var answers []multicall.Answer
	for i, element := range batch {
		n := min(bundleReads, len(reads)-i*bundleReads)
		some, err := multicall.Decode(*element.Result.(*hexutil.Bytes), n)
		if element.Error != nil || err != nil {
			return false
		}
		answers = append(answers, some...)
	}
	for i, r := range reads {
		if answers[i].OK {
			r.Err = r.finish(nil, answers[i].Data)
		} else {
			r.Err = &RevertError{Reason: reasonOf(answers[i].Data)}
		}
	}
	return true
}
