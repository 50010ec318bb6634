package collateral

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"assay/consensus/attest"
	"assay/schema/assaypb"
)

// ErrRecord says that a record of the collateral log is none.
var ErrRecord = errors.New("not a collateral record")

// PolicyKey is the key of policies in the collateral log.
const PolicyKey = "policy"

// strictDocument is the policy before the log has one.
const strictDocument = "version: 1\n"

// Log is a fold over the collateral log: which sets and which policy are in force at a
// time. What is in force at a time follows from the records alone, whenever they were
// read: a record says from when it counts, and never counts before the one that it
// replaces. It is not safe for concurrent use.
type Log struct {
	root    *x509.Certificate
	newest  map[attest.Key]*entry
	policy  *entry   // the newest
	waiting []*entry // that do not count yet, in the order of the log
	now     uint64
	force   Force
}

// entry is a set or a policy of the log.
type entry struct {
	from   uint64 // time from which it counts
	hash   [32]byte
	set    *attest.Collateral
	policy *attest.Policy
}

// Force is what is in force at a time.
type Force struct {
	Sets       *attest.Sets
	Policy     attest.Policy
	PolicyHash [32]byte
}

// NewLog returns the fold of no records, for quotes that chain to a root: no sets, and
// the strict policy.
func NewLog(root *x509.Certificate) *Log {
	return &Log{
		root:   root,
		newest: make(map[attest.Key]*entry),
		force:  Force{Sets: attest.NewSets(root), Policy: attest.Strict(), PolicyHash: attest.HashPolicy([]byte(strictDocument))},
	}
}

// Fold takes the next record of the log. It reports whether the record brings anything:
// one that repeats the newest of its kind does not. An error says why the record is not
// used, by anybody with this root; the log goes on without it.
func (l *Log) Fold(value []byte) (news bool, err error) {
	var record assaypb.CollateralRecord
	if err := proto.Unmarshal(value, &record); err != nil {
		return false, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	next := &entry{from: record.ActiveFrom, hash: [32]byte{}}
	switch body := record.Body.(type) {
	case *assaypb.CollateralRecord_Set:
		news, err = l.foldSet(next, body.Set)
	case *assaypb.CollateralRecord_Policy:
		news, err = l.foldPolicy(next, body.Policy)
	default:
		return false, fmt.Errorf("%w: neither a set nor a policy", ErrRecord)
	}
	if err == nil && string(record.Hash) != string(next.hash[:]) {
		return false, fmt.Errorf("%w: its content has the hash %x, not %x", ErrRecord, next.hash, record.Hash)
	}
	if err != nil || !news {
		return false, err
	}
	l.accept(next)
	return true, nil
}

func (l *Log) foldSet(next *entry, raw []byte) (bool, error) {
	set, err := attest.Load(raw, l.root)
	if err != nil {
		return false, err
	}
	next.set, next.hash = set, set.Hash()
	if old := l.newest[set.Key()]; old != nil {
		if old.hash == next.hash {
			return false, nil
		}
		if err := set.Succeeds(old.set); err != nil {
			return false, err
		}
		next.from = max(next.from, old.from)
	}
	if _, to := set.Valid(); next.from > seconds(to) { // else it would keep its successors waiting, too
		return false, fmt.Errorf("%w: the set would count only after its end", ErrRecord)
	}
	return true, nil
}

func (l *Log) foldPolicy(next *entry, raw []byte) (bool, error) {
	policy, err := readLogged(raw)
	if err != nil {
		return false, err
	}
	next.policy, next.hash = &policy, attest.HashPolicy(raw)
	if l.policy != nil {
		next.from = max(next.from, l.policy.from)
	}
	return l.policy == nil || l.policy.hash != next.hash, nil
}

// accept has an entry wait for its time.
func (l *Log) accept(next *entry) {
	if next.set != nil {
		l.newest[next.set.Key()] = next
	} else {
		l.policy = next
	}
	l.waiting = append(l.waiting, next)
	l.advance()
}

// At returns what is in force at a time, seconds since 1970. Time does not go back.
func (l *Log) At(now uint64) *Force {
	if now > l.now {
		l.now = now
		l.advance()
	}
	return &l.force
}

// advance lets what is due take force. Entries of one kind are due in the order of the
// log.
func (l *Log) advance() {
	l.waiting = slices.DeleteFunc(l.waiting, func(next *entry) bool {
		if next.from > l.now {
			return false
		}
		if next.policy != nil {
			l.force.Policy, l.force.PolicyHash = *next.policy, next.hash
			return true
		}
		sets, err := l.force.Sets.With(next.set)
		if err != nil {
			panic(err) // Fold saw to it that each set succeeds the one before
		}
		l.force.Sets = sets
		return true
	})
}

// Newest returns the newest set for a key, in force or not; nil if there is none.
func (l *Log) Newest(key attest.Key) *attest.Collateral {
	if known := l.newest[key]; known != nil {
		return known.set
	}
	return nil
}

// Start is from when a record should count that is appended at an instant, on the chain's
// clock: a successor after Lead, the first of its kind at once. Nil is for policies.
func (l *Log) Start(key *attest.Key, now uint64) uint64 {
	if key == nil && l.policy != nil || key != nil && l.newest[*key] != nil {
		return now + Lead
	}
	return now
}

// Ending is when a set that is in force ends.
type Ending struct {
	Key  attest.Key
	Hash [32]byte
	At   time.Time
}

// Endings returns when the sets in force end, in the order of their keys. A set that a
// newer one is going to replace in time does not count.
func (l *Log) Endings() []Ending {
	var endings []Ending
	for key, set := range l.force.Sets.All() {
		_, to := set.Valid()
		if next := l.newest[key]; next.set != set && next.from <= seconds(to) {
			_, to = next.set.Valid()
			set = next.set
		}
		endings = append(endings, Ending{key, set.Hash(), to})
	}
	slices.SortFunc(endings, func(a, b Ending) int {
		return strings.Compare(fmt.Sprint(a.Key), fmt.Sprint(b.Key))
	})
	return endings
}

// seconds is an instant as seconds since 1970.
func seconds(at time.Time) uint64 {
	if unix := at.Unix(); unix > 0 {
		return uint64(unix)
	}
	return 0
}
