package secondopinion_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/edgelesssys/ego/attestation"
	"github.com/edgelesssys/ego/attestation/tcbstatus"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"assay/consensus/secondopinion"
	"assay/internal/devpki"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

var (
	machine = must(must(devpki.New([]byte("second opinion"))).Machine("m"))
	enclave = devpki.Enclave{MREnclave: [32]byte{1}, MRSigner: [32]byte{2}, ProductID: 3, SecurityVersion: 4}
)

// verdict is one on a quote with this report data, that we accepted.
func verdict(id byte, change func(*assaypb.Attestation)) *assaypb.Decision {
	a := &assaypb.Attestation{
		Accepted: true, TcbStatus: "UpToDate", Mrenclave: enclave.MREnclave[:], Mrsigner: enclave.MRSigner[:], ProductId: 3, Svn: 4,
		Quote: must(machine.Quote(enclave, [64]byte{id})),
	}
	if change != nil {
		change(a)
	}
	return &assaypb.Decision{
		Id: []byte{id}, ChainId: 7, Workerpool: []byte{1}, Task: []byte{2}, Worker: []byte{3}, Time: 4,
		Body: &assaypb.Decision_Verdict{Verdict: &assaypb.Verdict{Outcome: assaypb.Verdict_ACCEPTED, Reason: assaypb.Reason_REASON_OK, Attestation: a}},
	}
}

// verify answers as ego would of the quotes of verdict, and refuses what has 0xff as its
// report data's first byte, and cannot judge 0xfe.
func verify(quote []byte) (attestation.Report, error) {
	if binary.LittleEndian.Uint32(quote) != 1 || binary.LittleEndian.Uint64(quote[8:]) != uint64(len(quote)-16) {
		return attestation.Report{}, errors.New("OE_INVALID_PARAMETER")
	}
	body := quote[16+48 : 16+48+384]
	switch body[320] {
	case 0xff:
		return attestation.Report{}, errors.New("OE_VERIFY_FAILED")
	case 0xfe:
		return attestation.Report{}, errors.New("OE_QUOTE_PROVIDER_LOAD_ERROR")
	}
	return attestation.Report{
		Data: body[320:], UniqueID: body[64:96], SignerID: body[128:160], ProductID: append(bytes.Clone(body[256:258]), make([]byte, 14)...),
		SecurityVersion: uint(body[258]), TCBStatus: tcbstatus.UpToDate,
	}, nil
}

func TestWatcherRaisesAnAlarmOnDisagreement(t *testing.T) {
	broker := must(kafka.StartBroker(t.TempDir(), 0))
	defer broker.Close()
	client := kafka.NewClient([]string{broker.Addr()})
	defer client.Close()
	topics := schema.TopicsOf("dev")
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if err := client.CreateTopic(ctx, topics.Decisions, 1, schema.MaxRecordBytes); err != nil {
		t.Fatal(err)
	}
	write := func(decisions ...*assaypb.Decision) {
		for _, decision := range decisions {
			if err := client.Append(ctx, topics.Decisions, kafka.Message{Key: decision.Task, Value: must(proto.Marshal(decision))}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(verdict(0xff, nil)) // before the watcher started
	var said bytes.Buffer
	started := make(chan struct{}, 1)
	watcher := secondopinion.NewWatcher("dev", client, topics, verify, slog.New(notify{slog.NewTextHandler(&said, nil), started}))
	watching, stopWatching := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- watcher.Run(watching) }()
	<-started

	tdx := func(a *assaypb.Attestation) {
		raw := must(machine.Draft(4, devpki.TD{}.Report([64]byte{0xff}, false)).Quote())
		a.Quote = raw
	}
	write(
		verdict(1, nil),
		verdict(2, func(a *assaypb.Attestation) { a.Quote = devpki.WrapOE(a.Quote) }),
		verdict(0xff, nil), // disagrees
		verdict(0xfe, nil), // none
		verdict(3, func(a *assaypb.Attestation) { a.TcbStatus = "OutOfDate" }),                                    // disagrees
		verdict(4, func(a *assaypb.Attestation) { a.Accepted, a.Class, a.Detail = false, "signature", "forged" }), // disagrees
		verdict(5, func(a *assaypb.Attestation) { a.Accepted, a.Class = false, "binding" }),
		verdict(0xff, func(a *assaypb.Attestation) { a.Accepted, a.Class = false, "signature" }),
		verdict(0xff, func(a *assaypb.Attestation) { a.Quote = a.Quote[:100] }), // not for ego
		verdict(0xff, tdx), // not for ego
		&assaypb.Decision{Id: []byte{9}, ChainId: 7, Task: []byte{2}, Body: &assaypb.Decision_Verdict{Verdict: &assaypb.Verdict{}}},
	)
	var alerts []*assaypb.Decision
	err := client.Read(ctx, topics.Decisions, 0, 0, -1, func(message kafka.Message) error {
		var decision assaypb.Decision
		if err := proto.Unmarshal(message.Value, &decision); err != nil {
			return err
		}
		if decision.GetAlert() != nil {
			alerts = append(alerts, &decision)
		}
		if len(alerts) == 3 {
			return context.Canceled
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for ctx.Err() == nil { // the last ones of the log may still be on their way
		got := outcomes(watcher)
		if maps.Equal(got, map[string]float64{"agrees": 4, "disagrees": 3, "none": 1}) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if ctx.Err() != nil {
		t.Error(outcomes(watcher))
	}
	stopWatching()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for i, detail := range []string{"ego refuses a quote that we accepted", "TCB status UpToDate, we say OutOfDate", "(signature): forged"} {
		a := alerts[i]
		if a.GetAlert().Name != secondopinion.AlertName || !strings.Contains(a.GetAlert().Detail, detail) || a.ChainId != 7 || a.Task[0] != 2 || len(a.Id) != 32 {
			t.Errorf("alert %v, want %s", a, detail)
		}
		if !strings.Contains(said.String(), detail) {
			t.Errorf("the log does not say: %s", detail)
		}
	}
}

// outcomes are the watcher's counters.
func outcomes(watcher *secondopinion.Watcher) map[string]float64 {
	registry := prometheus.NewRegistry()
	registry.MustRegister(watcher)
	counts := map[string]float64{}
	for _, metric := range must(registry.Gather())[0].Metric {
		counts[metric.Label[1].GetValue()] = metric.Counter.GetValue()
	}
	return counts
}

// notify tells when something was first logged: the watcher follows.
type notify struct {
	slog.Handler
	first chan struct{}
}

func (n notify) Handle(ctx context.Context, r slog.Record) error {
	err := n.Handler.Handle(ctx, r)
	select {
	case n.first <- struct{}{}:
	default:
	}
	return err
}

// Without the tag there is no opinion, and it says so.
func TestEgoIsAskedOnlyWhereItIsBuiltIn(t *testing.T) {
	if secondopinion.Built {
		t.Skip("built with ego")
	}
	report, err := secondopinion.Ego(nil)
	if err == nil || !strings.Contains(err.Error(), "tag ego") || report.TCBStatus != tcbstatus.Unknown {
		t.Errorf("got %v, %v", report, err)
	}
}
