package schema

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/schema/assaypb"
)

// TestReadRecord: a record counts where it was meant to be, and one that says nothing
// about that counts anywhere.
func TestReadRecord(t *testing.T) {
	for name, c := range map[string]struct {
		meant  *uint64
		at     int64
		counts bool
	}{
		"in its place":            {proto.Uint64(7), 7, true},
		"at the log's beginning":  {proto.Uint64(0), 0, true},
		"further on":              {proto.Uint64(7), 8, false},
		"meant for the beginning": {proto.Uint64(0), 1, false},
		"from an old log":         {nil, 8, true},
	} {
		value, err := proto.Marshal(&assaypb.ChainRecord{Sequence: 5, Offset: c.meant})
		if err != nil {
			t.Fatal(err)
		}
		record, counts, err := ReadRecord(value, c.at)
		if err != nil || counts != c.counts || record.Sequence != 5 {
			t.Errorf("%s: %v, counts %v, %v", name, record, counts, err)
		}
	}
	if _, counts, err := ReadRecord([]byte{0xff}, 0); err == nil || counts {
		t.Error("garbage is a record")
	}
}
