package projection

import (
	"strings"
	"testing"

	"assay/schema/assaypb"
)

func TestDecisionsGiveRows(t *testing.T) {
	fold := Decisions{Chain: 7}
	rows, err := fold.Apply(3, 42, &assaypb.Decision{
		Id: []byte{1}, ChainId: 7, Workerpool: []byte{2}, Task: []byte{3}, Worker: []byte{4}, Time: 1_700_000_000,
		Body: &assaypb.Decision_Verdict{Verdict: &assaypb.Verdict{
			Outcome: assaypb.Verdict_REJECTED, Reason: assaypb.Reason_REASON_TOO_LATE, Detail: "late", Partition: 1, Offset: 5,
		}},
	})
	if err != nil || len(rows.Decisions) != 1 || len(rows.Verdicts) != 1 || rows.Len() != 2 {
		t.Fatalf("%+v, %v", rows, err)
	}
	d, v := rows.Decisions[0], rows.Verdicts[0]
	if d.ID != "0x01" || d.Kind != "verdict" || d.Partition != 3 || d.Version != 42 || !strings.HasPrefix(d.Body, `{"outcome":"REJECTED","reason":"TOO_LATE","detail":"late"`) {
		t.Errorf("decision %+v", d)
	}
	if v.ID != "0x01" || v.Outcome != "REJECTED" || v.Reason != "TOO_LATE" || v.SourcePartition != 1 || v.SourceOffset != 5 || v.Version != 42 || v.ResultHash != "" {
		t.Errorf("verdict %+v", v)
	}
}

func TestOtherDecisionsGiveNoVerdict(t *testing.T) {
	rows, err := Decisions{Chain: 7}.Apply(0, 0, &assaypb.Decision{
		ChainId: 7, Body: &assaypb.Decision_Alert{Alert: &assaypb.Alert{Name: "task_unassignable"}},
	})
	if err != nil || rows.Len() != 1 || rows.Decisions[0].Kind != "alert" || rows.Decisions[0].Task != "" {
		t.Fatalf("%+v, %v", rows, err)
	}
}

func TestForeignDecisionsAreRefused(t *testing.T) {
	for name, decision := range map[string]*assaypb.Decision{
		"another chain": {ChainId: 8, Body: &assaypb.Decision_Alert{}},
		"no body":       {ChainId: 7},
	} {
		if _, err := (Decisions{Chain: 7}).Apply(0, 0, decision); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}
