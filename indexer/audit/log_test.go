package audit

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"assay/indexer/internal/market"
	"assay/internal/kafka"
	"assay/schema/assaypb"
)

// aLog is a log with two blocks in a row, a retraction, several marks, and all that a
// market does.
func aLog() []*assaypb.ChainRecord {
	m, log := market.New(rand.New(rand.NewSource(1)).Intn), &market.Log{}
	for i := range 120 {
		log.Block(m.Grow(12))
		if i%20 == 10 {
			log.Fork(m, 2)
		}
		if i%10 == 9 {
			log.Mark(m, 5)
		}
	}
	log.Mark(m, 3)
	for i, record := range log.Records {
		log.Records[i] = proto.CloneOf(record) // a market's blocks share their hashes
	}
	return log.Records
}

func blockOf(records []*assaypb.ChainRecord, n int) (*assaypb.Block, int) {
	for i, record := range records {
		if record.GetBlock() != nil {
			if n--; n < 0 {
				return record.GetBlock(), i
			}
		}
	}
	return nil, 0
}

func firstOf(records []*assaypb.ChainRecord, wanted func(*assaypb.ChainRecord) bool) (*assaypb.ChainRecord, int) {
	for i, record := range records {
		if wanted(record) {
			return record, i
		}
	}
	return nil, 0
}

func isRetraction(r *assaypb.ChainRecord) bool { return r.GetRetraction() != nil }
func isMark(r *assaypb.ChainRecord) bool       { return r.GetMark() != nil }

// TestFaultsOfTheLog: what a source never writes is found without asking anybody.
func TestFaultsOfTheLog(t *testing.T) {
	if found := foldLog(t, aLog()).report.Differences; len(found) > 0 {
		t.Fatalf("a log in order is said not to be: %v", found)
	}
	cases := map[string]struct {
		harm func([]*assaypb.ChainRecord) []*assaypb.ChainRecord
		says string
	}{
		"a missing record": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			return append(r[:7:7], r[8:]...)
		}, "log: sequence at offset 7: expected 7, found 8: 1 records are missing"},
		"another record under a number": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			other := proto.CloneOf(r[5])
			other.Body = &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{}}
			return append(append(r[:7:7], other), r[7:]...)
		}, "log: sequence at offset 7: expected 7, or an earlier record again, found 5 with another record than before"},
		"a record of another chain": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			r[3].ChainId++
			return r
		}, "log: record at offset 3: expected one of chain 31337, found one of chain 31338"},
		"a record of nothing": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			r[3].Body = nil
			return r
		}, "expected a block, a retraction or a mark, found none of them"},
		"a broken chain": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			block, _ := blockOf(r, 4)
			block.ParentHash[0] ^= 1
			return r
		}, "log: parent of block 5"},
		"a block of no length": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			block, _ := blockOf(r, 4)
			block.Hash = block.Hash[:31]
			return r
		}, "expected hashes of 32 bytes"},
		"a block again": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			_, i := blockOf(r, 4)
			r[i+1].Body = r[i].Body
			return r
		}, "log: block 5: expected a block above 5, found 5"},
		"a block before its parent": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			block, _ := blockOf(r, 4)
			block.Time -= 1000
			return r
		}, "log: time of block 5"},
		"a block without events": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			block, _ := blockOf(r, 4)
			block.Events = nil
			return r
		}, "log: block 5: expected events, found none"},
		"an event twice": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			block, _ := blockOf(r, 4)
			block.Events = append(block.Events, block.Events[len(block.Events)-1])
			return r
		}, "expected a log after"},
		"events of transactions that are mixed": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			block, _ := blockOf(r, 4)
			block.Events[0].TxIndex = 9
			return r
		}, "expected one of transaction 9 or later, found 1"},
		"an event that cannot be read": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			block, _ := blockOf(r, 4)
			block.Events[0].Body = &assaypb.Event_Lock{Lock: &assaypb.Lock{Owner: []byte{1}}}
			return r
		}, "expected an event that can be read"},
		"a retraction of another block": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			record, _ := firstOf(r, isRetraction)
			record.GetRetraction().Hash[0] ^= 1
			return r
		}, "log: retraction at offset"},
		"a retraction of a final block": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			_, i := firstOf(r, isMark)
			mark := r[i].GetMark()
			mark.FinalizedNumber, mark.FinalizedHash = mark.HeadNumber, mark.HeadHash
			block, _ := blockOf(r, int(mark.HeadNumber)-1)
			r[i+1].Body = &assaypb.ChainRecord_Retraction{Retraction: &assaypb.Retraction{Number: block.Number, Hash: block.Hash}}
			return r[:i+2]
		}, "which is final, found block"},
		"a final block above the head": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			record, _ := firstOf(r, isMark)
			record.GetMark().FinalizedNumber = record.GetMark().HeadNumber + 1
			return r
		}, "expected a final block up to the head"},
		"finality taken back": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			r[len(r)-1].GetMark().FinalizedNumber = 1
			return r
		}, "expected finality at"},
		"a head below a block": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			r[len(r)-1].GetMark().HeadNumber -= 2
			return r
		}, "expected a head at"},
		"a head of another branch": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			r[len(r)-1].GetMark().HeadHash = make([]byte, 32)
			return r
		}, "expected head 0x"},
		"a final block of another branch": {func(r []*assaypb.ChainRecord) []*assaypb.ChainRecord {
			r[len(r)-1].GetMark().FinalizedHash = make([]byte, 32)
			return r
		}, "expected final block 0x"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			says(t, foldLog(t, test.harm(aLog())).report, test.says)
		})
	}
}

// says checks that one of the differences reads so.
func says(t testing.TB, report *Report, want string) {
	t.Helper()
	var all []string
	for _, d := range report.Differences {
		if strings.Contains(d.String(), want) {
			return
		}
		all = append(all, d.String())
	}
	t.Errorf("no difference says %q; there are %d: %.2000s", want, len(all), strings.Join(all, "\n"))
}

// TestRepeatsAreNoFault: a producer that did not hear that its record was written writes it
// again.
func TestRepeatsAreNoFault(t *testing.T) {
	once := foldLog(t, aLog())
	var twice []*assaypb.ChainRecord
	for i, record := range aLog() {
		twice = append(twice, record)
		if i%7 == 3 {
			twice = append(twice, twice[len(twice)-2:]...)
		}
	}
	again := foldLog(t, twice)
	if len(again.report.Differences) > 0 || again.report.Compared.Log.Repeated == 0 {
		t.Errorf("%d repeats, %v", again.report.Compared.Log.Repeated, again.report.Differences)
	}
	if a, b := once.report.Compared.Log, again.report.Compared.Log; a.Events != b.Events || a.Blocks != b.Blocks {
		t.Errorf("with repeats %+v, without %+v", b, a)
	}
}

// TestNoMoneyGoesAstray: no Lock, Unlock, Seize or Reward can be left out, come twice or be
// of another amount without the log itself telling. But for a Lock that is left out: its
// Transfer could be a gift to the hub, and only the contracts tell that it is not.
func TestNoMoneyGoesAstray(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		records := history(rt)
		type place struct {
			block *assaypb.Block
			event int
		}
		var places []place
		for _, b := range foldedBlocks(t, records) {
			for i, event := range b.Events {
				if amountOf(event) != nil {
					places = append(places, place{b.Block, i})
				}
			}
		}
		if len(places) == 0 {
			rt.Skip("no money moved")
		}
		at := rapid.SampledFrom(places).Draw(rt, "place")
		events := at.block.Events
		event := events[at.event]
		harms := []string{"twice", "one nRLC more", "one nRLC less", "left out"}
		if event.GetLock() != nil {
			harms = harms[:3]
		}
		harm := rapid.SampledFrom(harms).Draw(rt, "harm")
		switch value := amountOf(event); harm {
		case "left out":
			at.block.Events = append(events[:at.event:at.event], events[at.event+1:]...)
		case "twice":
			again := proto.CloneOf(event)
			again.LogIndex++
			at.block.Events = append(append(events[:at.event+1:at.event+1], again), events[at.event+1:]...)
		case "one nRLC more":
			*value = plus(*value, 1)
		default:
			*value = plus(*value, -1)
		}
		if report := foldLog(t, records).report; len(report.Differences) == 0 {
			rt.Fatalf("nobody noticed that event %d of block %d, %s, was %s", at.event, at.block.Number, spell(event), harm)
		}
	})
}

// foldedBlocks are the blocks of a log that stay.
func foldedBlocks(t testing.TB, records []*assaypb.ChainRecord) []canonical {
	t.Helper()
	var out []canonical
	r := newReader(market.Preset.ChainID, &Report{}, func(b canonical) error {
		b.Block = records[b.offset].GetBlock()
		out = append(out, b)
		return nil
	})
	for i, record := range records {
		value, err := proto.Marshal(record)
		ok(t, err)
		ok(t, r.read(kafka.Message{Offset: int64(i), Value: value}))
	}
	ok(t, r.end())
	return out
}

// amountOf is where an event of the escrow keeps its amount; nil for another event.
func amountOf(event *assaypb.Event) *[]byte {
	switch body := event.Body.(type) {
	case *assaypb.Event_Lock:
		return &body.Lock.Amount
	case *assaypb.Event_Unlock:
		return &body.Unlock.Amount
	case *assaypb.Event_Seize:
		return &body.Seize.Amount
	case *assaypb.Event_Reward:
		return &body.Reward.Amount
	}
	return nil
}

// FuzzLog: whatever the records hold, the audit ends and says so.
func FuzzLog(f *testing.F) {
	for _, record := range aLog()[:20] {
		value, err := proto.Marshal(record)
		ok(f, err)
		f.Add(value, value)
	}
	f.Fuzz(func(t *testing.T, one, other []byte) {
		report := &Report{}
		b := newBook(market.Preset, report)
		r := newReader(market.Preset.ChainID, report, func(block canonical) error {
			b.fold(block)
			return nil
		})
		for i, value := range [][]byte{one, other} {
			ok(t, r.read(kafka.Message{Offset: int64(i), Value: value}))
		}
		ok(t, r.end())
		for _, table := range b.tables() {
			for range table.rows {
			}
		}
		for _, d := range report.Differences {
			_ = fmt.Sprint(d)
		}
	})
}

func FuzzArgs(f *testing.F) {
	f.Add(`{"owner":"0x01","amount":"1"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, args string) {
		for _, event := range aLog()[1].GetBlock().Events {
			argsDiffer(event, args)
		}
	})
}
