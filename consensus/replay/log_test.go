package replay_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/consensus/replay"
	"assay/consensus/sim"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

// settledLog is the log of one task that two workers settled.
func settledLog(t *testing.T) (poco.Rules, []*assaypb.ChainRecord) {
	t.Helper()
	var log []*assaypb.ChainRecord
	market, err := sim.New(sim.Rules(), func(at poco.Block, events []poco.Event) {
		record := block(at, 0, events)
		record.ChainId, record.Sequence = chainID, uint64(len(log))
		log = append(log, record)
	})
	must(t, err)
	agreed(t, market, 3, []poco.Address{{1}, {2}})
	return market.State.Rules(), log
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func failure(rules poco.Rules, log []*assaypb.ChainRecord) error {
	r := replay.New(rules, replay.Policy{})
	for _, record := range log {
		if err := r.Add(record); err != nil {
			return err
		}
	}
	_, err := r.Report()
	return err
}

func clone(log []*assaypb.ChainRecord) []*assaypb.ChainRecord {
	copied := make([]*assaypb.ChainRecord, len(log))
	for i, record := range log {
		copied[i] = proto.CloneOf(record)
	}
	return copied
}

func TestLogsThatCannotBe(t *testing.T) {
	rules, whole := settledLog(t)
	last := len(whole) - 1
	for says, spoil := range map[string]func(log []*assaypb.ChainRecord) []*assaypb.ChainRecord{
		"of chain 1,":           func(log []*assaypb.ChainRecord) []*assaypb.ChainRecord { log[0].ChainId = 1; return log },
		"record 3 is missing":   func(log []*assaypb.ChainRecord) []*assaypb.ChainRecord { return slices.Delete(log, 3, 4) },
		"neither a block":       func(log []*assaypb.ChainRecord) []*assaypb.ChainRecord { log[2].Body = nil; return log },
		"follows block":         func(log []*assaypb.ChainRecord) []*assaypb.ChainRecord { log[2].GetBlock().Number = 1; return log },
		"is not the newest":     retractOther,
		"transfer.from: 0 byte": func(log []*assaypb.ChainRecord) []*assaypb.ChainRecord { return withoutSender(log) },
		"do not fit": func(log []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			events := log[last].GetBlock().Events
			log[last].GetBlock().Events = slices.DeleteFunc(events, func(e *assaypb.Event) bool { return e.GetReward() != nil })
			return log
		},
	} {
		if err := failure(rules, spoil(clone(whole))); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}

func retractOther(log []*assaypb.ChainRecord) []*assaypb.ChainRecord {
	log[3].Body = &assaypb.ChainRecord_Retraction{Retraction: &assaypb.Retraction{Number: 1, Hash: []byte{1}}}
	return log
}

func withoutSender(log []*assaypb.ChainRecord) []*assaypb.ChainRecord {
	for _, record := range log {
		for _, event := range record.GetBlock().GetEvents() {
			if transfer := event.GetTransfer(); transfer != nil {
				transfer.From = nil
				return log
			}
		}
	}
	return log
}

func TestMissingRewardIsItsOwnError(t *testing.T) {
	rules, log := settledLog(t)
	events := log[len(log)-1].GetBlock()
	events.Events = slices.DeleteFunc(events.Events, func(e *assaypb.Event) bool { return e.GetReward() != nil })
	if err := failure(rules, log); !errors.Is(err, replay.ErrSettlement) {
		t.Errorf("got %v, want %v", err, replay.ErrSettlement)
	}
}

// TestRepeatedRecordsChangeNothing, as a producer's retry leaves them.
func TestRepeatedRecordsChangeNothing(t *testing.T) {
	rules, log := settledLog(t)
	rapid.Check(t, func(t *rapid.T) {
		var twice []*assaypb.ChainRecord
		for i, record := range log {
			twice = append(twice, record)
			if i > 0 && rapid.Bool().Draw(t, "again") {
				twice = append(twice, log[rapid.IntRange(0, i).Draw(t, "which")])
			}
		}
		report := replayed(t, rules, replay.Policy{}, twice)
		unchanged(t, report)
		if len(report.Tasks) != 1 || report.Tasks[0].Outcome.Before != replay.Completed || len(report.Workers) != 2 {
			t.Errorf("%d tasks, %d workers", len(report.Tasks), len(report.Workers))
		}
	})
}

// TestErasRoundAsTheChainDid: a worker of weight 3 and a newcomer share 2 to 1 where the
// log of a weight is rounded up, and alike from the block on where it is rounded down.
func TestErasRoundAsTheChainDid(t *testing.T) {
	for _, upTo := range []uint64{0, 1000} {
		var log []*assaypb.ChainRecord
		market, err := sim.New(sim.Rules(chains.Era{CeilLogWeight: true}, chains.Era{FromBlock: upTo}), func(at poco.Block, events []poco.Event) {
			record := block(at, 0, events)
			record.ChainId, record.Sequence = chainID, uint64(len(log))
			log = append(log, record)
		})
		must(t, err)
		for range 12 {
			agreed(t, market, 3, []poco.Address{{1}, {2}})
		}
		agreed(t, market, 5, []poco.Address{{1}, {3}}) // of weights 3 and 2
		report := replayed(t, market.State.Rules(), replay.Policy{}, log)
		unchanged(t, report)
		veteran, newcomer := report.Workers[0].Earned.After.Uint64(), report.Workers[2].Earned.After.Uint64()
		if last := veteran - 12*495; (last == 2*newcomer) != (upTo > 0) || last+newcomer != 990 {
			t.Errorf("rounded up to block %d: in the last task they earn %d and %d", upTo, last, newcomer)
		}
	}
}

// agreed settles a task of 1000 nRLC on which two workers agree.
func agreed(t *testing.T, market *sim.Market, trust uint64, pair []poco.Address) {
	t.Helper()
	deal, err := market.Deal(trust, 1000, 1)
	must(t, err)
	task, err := market.Task(deal, 0)
	must(t, err)
	for _, worker := range pair {
		_, err := market.Contribute(worker, task, poco.Hash{7})
		must(t, err)
	}
	for _, worker := range pair {
		must(t, market.Do(worker, poco.Reveal{Task: task, Digest: poco.Hash{7}}))
	}
	must(t, market.Do(sim.Owner, poco.Finalize{Task: task}))
}
