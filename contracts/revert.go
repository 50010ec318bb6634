package contracts

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// RevertError says that a contract refused a call. Reason is the contract's own word,
// e.g. "iExecV5-matchOrders-0x60"; PoCo also reverts without any, and then it is empty.
type RevertError struct{ Reason string }

func (e *RevertError) Error() string {
	if e.Reason == "" {
		return "the contract reverted without a reason"
	}
	return "the contract reverted: " + e.Reason
}

// revertOf turns a node's error about a reverted call into a *RevertError and leaves
// every other error as it is.
func revertOf(err error) error {
	var withData rpc.DataError
	if errors.As(err, &withData) {
		if text, ok := withData.ErrorData().(string); ok {
			if data, decodeErr := hexutil.Decode(text); decodeErr == nil {
				return &RevertError{Reason: reasonOf(data)}
			}
		}
	}
	switch {
	case err == nil:
		return nil
	case says(err, "execution reverted"):
		return &RevertError{}
	case says(err, "invalid opcode"): // how Solidity before 0.8 fails an assertion
		return &RevertError{Reason: "failed assertion"}
	default:
		return err
	}
}

// reasonOf reads what a contract reverted with: Error(string), Panic(uint256), an
// error that the hub declares, or else the bare bytes.
func reasonOf(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	if reason, err := abi.UnpackRevert(data); err == nil {
		return text(reason)
	}
	for _, declared := range hub.GetABI().Errors {
		if bytes.HasPrefix(data, declared.ID[:4]) {
			if arguments, err := declared.Unpack(data); err == nil {
				return text(fmt.Sprintf("%s%v", declared.Name, arguments))
			}
		}
	}
	return hexutil.Encode(data[:min(len(data), maxReason)])
}

// maxReason bounds a reason that is no text.
const maxReason = 256
