// Package multicall makes many reads of contracts one eth_call, with no helper contract
// on the chain: init code that never becomes a contract makes the calls, and what it
// would deploy is their answers. So a multicall has at most 49,152 bytes (EIP-3860), and
// its answers 24,576 (EIP-170).
package multicall

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/common"
)

// Call is one read.
type Call struct {
	To   common.Address
	Data []byte
}

// Answer is what a call returned, or reverted with.
type Answer struct {
	OK   bool
	Data []byte
}

// Code is the init code. It is followed by entries, each a word (address ‖ 12 bytes of
// length) and so many bytes of calldata, and returns as many entries, each a word
// (2·length + 1 if the call succeeded) and so many bytes. A call cannot write
// (STATICCALL). No opcode is younger than Constantinople, which every chain with PoCo has
// had from its start.
var Code = assemble()

const (
	add, gt, iszero, and, shr                          = 0x01, 0x11, 0x15, 0x16, 0x1c
	codesize, codecopy, returndatasize, returndatacopy = 0x38, 0x39, 0x3d, 0x3e
	pop, mload, mstore, jump, jumpi, gas, jumpdest     = 0x50, 0x51, 0x52, 0x56, 0x57, 0x5a, 0x5b
	push1, push12, swap1, swap2, swap3                 = 0x60, 0x6b, 0x90, 0x91, 0x92
	dup1, dup2, dup3, dup4, dup5, dup6                 = 0x80, 0x81, 0x82, 0x83, 0x84, 0x85
	ret, staticcall                                    = 0xf3, 0xfa
)

// assemble writes the loop. Comments show the stack, its top on the right: in is where
// in the code the next entry begins, out where in memory the next answer goes.
func assemble() []byte {
	code := []byte{push1, 0, push1, 0} // in out
	loop := byte(len(code))
	code = append(code, jumpdest, dup2, codesize, gt, iszero, push1, 0, jumpi)
	end := len(code) - 2
	code = append(code,
		push1, 32, dup3, dup3, codecopy, // the entry's head goes to memory at out
		dup1, mload, dup1, push12, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, and, // in out head length
		swap1, push1, 96, shr, // in out length address
		swap3, push1, 32, add, swap3, // in is behind the head
		dup2, dup5, dup5, codecopy, // the calldata goes to memory at out
		push1, 0, push1, 0, dup4, dup6, dup5, gas, staticcall, // in out length address success
		returndatasize, dup1, add, add, dup4, mstore, // the answer's head goes to memory at out
		pop, swap1, swap2, add, swap1, push1, 32, add, // in is behind the entry, out behind the head
		returndatasize, push1, 0, dup3, returndatacopy, returndatasize, add,
		push1, loop, jump)
	code[end] = byte(len(code))
	code = append(code, jumpdest, push1, 0, ret)
	code[1] = byte(len(code))
	return code
}

// Encode is the data of the eth_call that makes the calls. It has no address to call.
func Encode(calls []Call) []byte {
	data := bytes.Clone(Code)
	for _, call := range calls {
		data = append(data, call.To[:]...)
		data = append(data, 0, 0, 0, 0)
		data = binary.BigEndian.AppendUint64(data, uint64(len(call.Data)))
		data = append(data, call.Data...)
	}
	return data
}

var errShape = errors.New("not the answer of a multicall")

// Decode reads the answers to n calls.
func Decode(data []byte, n int) ([]Answer, error) {
	answers := make([]Answer, 0, n)
	for len(data) > 0 {
		if len(data) < common.HashLength || [24]byte(data[:24]) != [24]byte{} {
			return nil, errShape
		}
		head := binary.BigEndian.Uint64(data[24:])
		data = data[common.HashLength:]
		if head/2 > uint64(len(data)) {
			return nil, errShape
		}
		answers = append(answers, Answer{OK: head%2 == 1, Data: data[:head/2]})
		data = data[head/2:]
	}
	if len(answers) != n {
		return nil, fmt.Errorf("%w: %d answers to %d calls", errShape, len(answers), n)
	}
	return answers, nil
}

// Emulate does what a chain does with the data of a multicall: for nodes in tests.
func Emulate(data []byte, answer func(to common.Address, data []byte) ([]byte, bool)) ([]byte, error) {
	data, ok := bytes.CutPrefix(data, Code)
	if !ok {
		return nil, errors.New("not a multicall")
	}
	var out []byte
	for len(data) > 0 {
		if len(data) < common.HashLength {
			return nil, errShape
		}
		to, size := common.BytesToAddress(data[:20]), binary.BigEndian.Uint64(data[24:])
		data = data[common.HashLength:]
		if size > math.MaxInt32 || int(size) > len(data) {
			return nil, errShape
		}
		result, _ := answer(to, data[:size]) // an account without code succeeds with nothing
		out = append(out, make([]byte, 24)...)
		out = binary.BigEndian.AppendUint64(out, uint64(len(result))<<1|1)
		out = append(out, result...)
		data = data[size:]
	}
	return out, nil
}
