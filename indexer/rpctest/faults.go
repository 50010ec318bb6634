package rpctest

import "time"

// Faults are what a node does wrong. The zero value is a node without fault.
type Faults struct {
	// What providers refuse, with the messages that they are known for.
	MaxRange    uint64 // blocks that eth_getLogs may span
	MaxResults  int    // logs that an answer may have
	MaxResponse int    // bytes that an answer may have; larger ones are refused
	MaxBatch    int    // calls in a request

	// One request of so many, or none if it is 0.
	LimitEvery int           // is answered with 429 and Retry-After
	RetryAfter time.Duration // whole seconds; 0 is a valid answer
	HangEvery  int           // is not answered before the client gives up
	FailEvery  int           // is answered with 502
	LagEvery   int           // reaches a node that is Lag blocks behind: ranges beyond its head are empty
	Lag        uint64
	NullEvery  int // finds no block where there is one

	// One block of so many, or none if it is 0: what is there is not shown.
	HideEvery   uint64 // all logs of the block are missing
	MissEvery   uint64 // the last log of the block is missing
	HideFrom    uint64 // only from this block on
	DamageToo   bool   // receipts lack the same logs; else only eth_getLogs lies
	WrongHash   uint64 // logs are said to be of another block
	Removed     uint64 // logs are said to be removed
	FalseHeader uint64 // the header's bloom and receipts root say that there is nothing, its hash is as it was

	FalseTx uint64 // the block's transactions are said to be worth more than they are

	NoReceipts  bool // eth_getBlockReceipts does not exist
	NoFinal     bool // the finalized tag does not exist
	NoMulticall bool // eth_call without an address is refused
	NoCode      bool // no contract is anywhere
	ChainID     uint64
}

// one says whether a fault hits the n-th request or block of those that it may hit.
func one(n, every uint64) bool { return every > 0 && n%every == 0 }

// hidden says whether a log is not shown.
func (f *Faults) hidden(b *Block, index, count int) bool {
	if b.Number < f.HideFrom {
		return false
	}
	return one(b.Number, f.HideEvery) || one(b.Number, f.MissEvery) && index == count-1
}

func never(*Block, int, int) bool { return false }
