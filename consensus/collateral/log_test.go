package collateral

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"assay/consensus/attest"
	"assay/internal/devpki"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

// setAt is a set that was issued a day before an instant.
func setAt(at time.Time, change func(*devpki.Collateral)) []byte {
	set := pki.Collateral(at, false)
	if change != nil {
		change(set)
	}
	return must(set.JSON())
}

func setRecord(from uint64, raw []byte) []byte {
	hash := must(attest.Load(raw, pki.Root())).Hash()
	return must(proto.Marshal(&assaypb.CollateralRecord{Hash: hash[:], ActiveFrom: from, Body: &assaypb.CollateralRecord_Set{Set: raw}}))
}

func policyRecord(from uint64, text string) []byte {
	hash := attest.HashPolicy([]byte(text))
	return must(proto.Marshal(&assaypb.CollateralRecord{Hash: hash[:], ActiveFrom: from, Body: &assaypb.CollateralRecord_Policy{Policy: []byte(text)}}))
}

func (l *Log) active(now uint64) [32]byte {
	for _, set := range l.At(now).Sets.All() {
		return set.Hash()
	}
	return [32]byte{}
}

// TestSetsTakeForceInTime: each from its instant on, never before the one that it
// replaces, whether it was read before that or after.
func TestSetsTakeForceInTime(t *testing.T) {
	first, second, third := setAt(instant, nil), setAt(instant.Add(time.Hour), nil), setAt(instant.Add(2*time.Hour), nil)
	hash := func(raw []byte) [32]byte { return must(attest.Load(raw, pki.Root())).Hash() }
	records := [][]byte{setRecord(10, first), setRecord(30, second), setRecord(20, third)}
	for early := range len(records) + 1 {
		log := NewLog(pki.Root())
		fold := func(records [][]byte) {
			for _, record := range records {
				if news, err := log.Fold(record); err != nil || !news {
					t.Fatalf("%v, %v", news, err)
				}
			}
		}
		fold(records[:early])
		if early > 0 && log.active(9) != [32]byte{} {
			t.Error("in force before its time")
		}
		fold(records[early:])
		if got := log.active(10); got != hash(first) {
			t.Errorf("at 10: %x", got)
		}
		if got := log.active(29); got != hash(first) {
			t.Errorf("at 29: %x", got)
		}
		if got := log.active(30); got != hash(third) { // which may not take force before the second
			t.Errorf("at 30: %x", got)
		}
	}
}

// TestNoSetGoesBack in evaluation number or date of issue, whatever its time.
func TestNoSetGoesBack(t *testing.T) {
	log := NewLog(pki.Root())
	if _, err := log.Fold(setRecord(0, setAt(instant, nil))); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"older": setAt(instant.Add(-time.Second), nil),
		"lower": setAt(instant.Add(time.Hour), func(c *devpki.Collateral) { c.TCBInfo.Evaluation-- }),
	} {
		if news, err := log.Fold(setRecord(0, raw)); err == nil || news || attest.ClassOf(err) != attest.ClassCollateral {
			t.Errorf("%s: %v, %v", name, news, err)
		}
	}
	if news, err := log.Fold(setRecord(99, setAt(instant, nil))); err != nil || news {
		t.Errorf("a repetition: %v, %v", news, err)
	}
}

// TestUnusableRecordsArePassedOver, and change nothing.
func TestUnusableRecordsArePassedOver(t *testing.T) {
	foreign := must(must(devpki.New([]byte("foreign"))).Collateral(instant, false).JSON())
	wrong := func(body *assaypb.CollateralRecord) []byte { return must(proto.Marshal(body)) }
	log := NewLog(pki.Root())
	for name, record := range map[string][]byte{
		"garbage":        []byte("garbage"),
		"empty":          nil,
		"another root":   wrong(&assaypb.CollateralRecord{Hash: make([]byte, 32), Body: &assaypb.CollateralRecord_Set{Set: foreign}}),
		"wrong hash":     wrong(&assaypb.CollateralRecord{Hash: make([]byte, 32), Body: &assaypb.CollateralRecord_Set{Set: setAt(instant, nil)}}),
		"too late":       setRecord(uint64(instant.AddDate(0, 2, 0).Unix()), setAt(instant, nil)),
		"not a policy":   policyRecord(0, "version: 2"),
		"no version":     policyRecord(0, "allow_debug: true"),
		"one enclave":    policyRecord(0, fmt.Sprintf(`{"version":1,"mrsigner":"%064x"}`, 1)),
		"report data":    policyRecord(0, fmt.Sprintf(`{"version":1,"report_data":"%0128x"}`, 1)),
		"an unknown key": policyRecord(0, "{version: 1, alow_debug: false}"),
	} {
		if news, err := log.Fold(record); err == nil || news {
			t.Errorf("%s: %v, %v", name, news, err)
		}
	}
	strict := attest.HashPolicy([]byte("version: 1\n"))
	if force := log.At(1 << 40); len(force.Sets.All()) != 0 || force.PolicyHash != strict {
		t.Errorf("in force: %+v", force)
	}
	if _, err := log.Fold(policyRecord(0, "x: [")); !errors.Is(err, ErrPolicy) {
		t.Errorf("%v", err)
	}
}

// TestPoliciesTakeForceInTime, and an earlier one may come back.
func TestPoliciesTakeForceInTime(t *testing.T) {
	log := NewLog(pki.Root())
	a, b := "version: 1", "{version: 1, platform_weight: 5}"
	for _, record := range [][]byte{policyRecord(10, a), policyRecord(20, b), policyRecord(30, a), policyRecord(30, a)} {
		if _, err := log.Fold(record); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		now    uint64
		weight int
		hash   [32]byte
	}{{9, 1, attest.HashPolicy([]byte("version: 1\n"))}, {10, 1, attest.HashPolicy([]byte(a))}, {20, 5, attest.HashPolicy([]byte(b))}, {30, 1, attest.HashPolicy([]byte(a))}} {
		if force := log.At(c.now); force.Policy.PlatformWeight != c.weight || force.PolicyHash != c.hash {
			t.Errorf("at %d: weight %d, hash %x", c.now, force.Policy.PlatformWeight, force.PolicyHash)
		}
	}
}

// TestPublishing: what is fetched is appended once, and its successor after it; what goes
// back is not.
func TestPublishing(t *testing.T) {
	broker := must(kafka.StartBroker(t.TempDir(), 0))
	t.Cleanup(func() { must(0, broker.Close()) })
	client := kafka.NewClient([]string{broker.Addr()})
	t.Cleanup(func() { must(0, client.Close()) })
	publisher := Publisher{Kafka: client, Root: pki.Root()}
	set, later := setAt(instant, nil), setAt(instant.Add(time.Hour), nil)
	policy := []byte("{version: 1, max_age_hours: 5}")
	for i, c := range []struct {
		publish func() (bool, error)
		want    bool
		fails   bool
	}{
		{func() (bool, error) { return publisher.PublishSet(t.Context(), set, 5) }, true, false},
		{func() (bool, error) { return publisher.PublishSet(t.Context(), set, 6) }, false, false},
		{func() (bool, error) { return publisher.PublishSet(t.Context(), later, 7) }, true, false},
		{func() (bool, error) { return publisher.PublishSet(t.Context(), set, 8) }, false, true},
		{func() (bool, error) { return publisher.PublishSet(t.Context(), []byte("{}"), 8) }, false, true},
		{func() (bool, error) { return publisher.PublishPolicy(t.Context(), policy, 9) }, true, false},
		{func() (bool, error) { return publisher.PublishPolicy(t.Context(), policy, 10) }, false, false},
		{func() (bool, error) { return publisher.PublishPolicy(t.Context(), []byte("version: 9"), 10) }, false, true},
	} {
		if appended, err := c.publish(); appended != c.want || (err != nil) != c.fails {
			t.Errorf("step %d: %v, %v", i, appended, err)
		}
	}
	if end := must(client.End(t.Context(), schema.Collateral, 0)); end != 3 {
		t.Errorf("the log has %d records, want 3", end)
	}
	log := must(publisher.Read(t.Context()))
	if force := log.At(9); log.active(9) != must(attest.Load(later, pki.Root())).Hash() || force.PolicyHash != attest.HashPolicy(policy) {
		t.Errorf("in force: %+v", force)
	}
	if log.Start(&key, 100) != 100+Lead || log.Start(&tdxKey, 100) != 100 || log.Start(nil, 100) != 100+Lead {
		t.Error("a successor must leave engines time to read it, a first one need not")
	}
}
