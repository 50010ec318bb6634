package cli

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

func TestShowPrintsWhatHasTheHash(t *testing.T) {
	broker := need(kafka.StartBroker(t.TempDir(), 0))
	defer broker.Close()
	client := kafka.NewClient([]string{broker.Addr()})
	defer client.Close()
	if err := client.CreateTopic(t.Context(), schema.Collateral, 1, schema.MaxRecordBytes); err != nil {
		t.Fatal(err)
	}
	hash := func(b string) []byte { return []byte(strings.Repeat(b, 32)) }
	for _, value := range [][]byte{
		need(proto.Marshal(&assaypb.CollateralRecord{Hash: hash("a"), Body: &assaypb.CollateralRecord_Set{Set: []byte(`{"tcb_info":"…"}`)}})),
		[]byte("no record"),
		need(proto.Marshal(&assaypb.CollateralRecord{Hash: hash("b"), Body: &assaypb.CollateralRecord_Policy{Policy: []byte("version: 1 # ours\n")}})),
	} {
		if err := client.Append(t.Context(), schema.Collateral, kafka.Message{Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		hash, out, err string
		code           int
	}{
		{"0x" + strings.Repeat("61", 32), `{"tcb_info":"…"}`, "", 0},
		{strings.Repeat("62", 32), "version: 1 # ours\n", "", 0},
		{strings.Repeat("63", 32), "", "nothing in the collateral log has this hash", exitDifferent},
		{"0x61", "", "not a hash of 32 bytes", exitUsage},
	} {
		out, errs, code := run(t, "attest", "show", c.hash, "--kafka", broker.Addr())
		if out != c.out || code != c.code || !strings.Contains(errs, c.err) {
			t.Errorf("%s: code %d, %q, %s", c.hash, code, out, errs)
		}
	}
}
