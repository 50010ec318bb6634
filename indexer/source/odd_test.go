package source

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"assay/contracts/bindings"
	"assay/indexer/projection"
)

// logged makes a log of the hub from an event's arguments, none of them indexed but the
// topics that are given.
func logged(t *testing.T, log *types.Log, name string, topics []common.Hash, arguments ...any) {
	t.Helper()
	event := bindings.NewHub().GetABI().Events[name]
	data, err := event.Inputs.NonIndexed().Pack(arguments...)
	if err != nil {
		t.Fatal(err)
	}
	log.Topics, log.Data = append([]common.Hash{event.ID}, topics...), data
}

// TestOddContent: texts that are none, huge results and data that nothing can be made of
// are indexed and folded, never fatal.
func TestOddContent(t *testing.T) {
	n, l := newFakeNode(), &memoryLog{}
	b := n.grow([]common.Address{hub, hub, hub, hub, hub, hub})
	n.mu.Lock()
	huge := bytes.Repeat([]byte{0, 0xff, '"', '\\'}, 1<<18)
	deal, pool := [32]byte{1}, common.BytesToHash(pool[:])
	notice := func(log *types.Log, params string) {
		logged(t, log, "SchedulerNoticeBoost", []common.Hash{pool}, deal, hub, hub, big.NewInt(1), [32]byte{}, params, hub)
	}
	notice(&b.logs[0], "[1,2,3]")
	notice(&b.logs[1], "\x00\x00 nul \xff\xfe")
	notice(&b.logs[2], strings.Repeat("\xf0\x28\x8c\x28", 1<<18))
	b.logs[3].Topics, b.logs[3].Data = []common.Hash{{1}}, huge
	logged(t, &b.logs[4], "CreateCategory", nil, new(big.Int), "\x00", string(huge), new(big.Int).Lsh(big.NewInt(1), 255))
	b.logs[5].Topics, b.logs[5].Data = b.logs[4].Topics, []byte{1, 2, 3} // that event, but cut off
	n.mu.Unlock()
	n.grow([]common.Address{hub})
	catchUp(t, newSource(t, n, l), n, l)

	fold := projection.New(preset)
	events := 0
	for _, record := range l.records(t) {
		rows, err := fold.Apply(record)
		if err != nil {
			t.Fatal(err)
		}
		events += len(rows.Events)
		for _, e := range record.GetBlock().GetEvents() {
			if e.LogIndex == 9 && !bytes.Equal(e.GetUnknown().GetData(), huge) {
				t.Errorf("the huge data is %d bytes", len(e.GetUnknown().GetData()))
			}
			if e.LogIndex == 15 && e.GetUnknown() == nil {
				t.Errorf("a log that is cut off is %v", e)
			}
		}
	}
	if events != 7 {
		t.Errorf("%d rows of events, want 7", events)
	}
}
