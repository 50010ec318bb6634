package source

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// ChainError says that the node serves another chain than the preset's.
type ChainError struct {
	Endpoint  string
	Want, Got uint64
}

func (e *ChainError) Error() string {
	return fmt.Sprintf("endpoint %s serves chain %d, not chain %d: check --rpc and --chain", e.Endpoint, e.Got, e.Want)
}

// HubError says that there is no contract at the hub's address.
type HubError struct {
	Endpoint string
	Hub      common.Address
}

func (e *HubError) Error() string {
	return fmt.Sprintf("by endpoint %s there is no contract at %s: check the hub's address in the chain preset", e.Endpoint, e.Hub)
}

// ForkError says that the chain forked below finality: a block that the log holds as
// final is not the node's.
type ForkError struct {
	Number uint64
	Logged common.Hash
	Node   common.Hash
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("block %d is final in the chain log as %s, but the node has %s: the chain forked below finality, or the log is of another chain",
		e.Number, e.Logged, e.Node)
}

// LogError says that the chain log is not what a source writes.
type LogError struct {
	Offset int64
	Err    error
}

func (e *LogError) Error() string {
	return fmt.Sprintf("the chain log at offset %d: %v", e.Offset, e.Err)
}

// Unwrap returns what is wrong with the record.
func (e *LogError) Unwrap() error { return e.Err }

// IncompleteError says that the log is not what the chain proves, of a block that is
// final: it cannot be mended, only made anew.
type IncompleteError struct {
	Number uint64
	Reason string
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("block %d of the chain log is not what the chain proves: %s: an endpoint left it out or made it up when it was indexed, and later records build on it; "+
		"make a new log (another name in the chain preset), and verify from the start", e.Number, e.Reason)
}

// FencedError says that another indexer writes to the same chain log. Nothing is lost or
// mixed up: of two that append at once the second one's records do not count.
type FencedError struct {
	Topic      string
	Own, Other uint64 // which runs
	Record     uint64 // the other's newest
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("another indexer writes to %s (run %016x wrote record %d, this is run %016x): one is enough, so this one stops",
		e.Topic, e.Other, e.Record, e.Own)
}

// SizeError says that a block's events do not fit into one record of the log.
type SizeError struct {
	Number uint64
	Bytes  int
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("the events of block %d take %d bytes, more than a record of the chain log may have", e.Number, e.Bytes)
}

// DoubtError says that what nodes answer about a block cannot be believed: it
// contradicts the block's header, or itself. It ends a source only after every endpoint
// was asked many times.
type DoubtError struct {
	Number uint64
	Reason string
}

func (e *DoubtError) Error() string {
	return fmt.Sprintf("block %d: not believed: %s", e.Number, e.Reason)
}

func doubt(number uint64, format string, args ...any) error {
	return &DoubtError{Number: number, Reason: fmt.Sprintf(format, args...)}
}

// stopError ends a source whatever it wraps.
type stopError struct{ error }

func (e *stopError) Unwrap() error { return e.error }

// ReceiptsError says that no endpoint serves the receipts that were to be verified.
type ReceiptsError struct{ Err error }

func (e *ReceiptsError) Error() string {
	return fmt.Sprintf("no endpoint serves eth_getBlockReceipts: use another, or verify less (--verify bloom): %v", e.Err)
}

// Unwrap returns what an endpoint answered.
func (e *ReceiptsError) Unwrap() error { return e.Err }

// appendError says that records may or may not have reached the log.
type appendError struct{ err error }

func (e *appendError) Error() string { return fmt.Sprintf("appending to the chain log: %v", e.err) }
func (e *appendError) Unwrap() error { return e.err }

// errMoved says that the node's answers do not fit together, as happens when its chain
// moves on between two questions, or when several nodes answer behind one address.
var errMoved = errors.New("the node's answers do not fit together")

// grade says what an error asks for.
type grade uint8

const (
	temporary grade = iota // try again
	reset                  // the ground moved: read the log's tail again
	critical               // stop
)

func gradeOf(err error) grade {
	var (
		chain *ChainError
		hub   *HubError
		fork  *ForkError
		log   *LogError
		other *FencedError
		wrong *IncompleteError
		size  *SizeError
		bare  *ReceiptsError
		stop  *stopError
		lost  *appendError
	)
	switch {
	case errors.As(err, &chain), errors.As(err, &hub), errors.As(err, &fork), errors.As(err, &log), errors.As(err, &other), errors.As(err, &wrong), errors.As(err, &size),
		errors.As(err, &bare), errors.As(err, &stop):
		return critical
	case errors.As(err, &lost):
		return reset
	default:
		return temporary
	}
}
