package secondopinion

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/edgelesssys/ego/attestation"
	"github.com/edgelesssys/ego/attestation/tcbstatus"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"assay/consensus/attest"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

// AlertName is the name of the alert for a disagreement. It is stored: never rename.
const AlertName = "second_opinion_disagrees"

// patience is how long ego may take over one quote. It fetches collateral, and cannot be
// interrupted.
const patience = 2 * time.Minute

// Verify is eclient.VerifyRemoteReport, or what stands in for it.
type Verify func(quote []byte) (attestation.Report, error)

// Watcher asks about every quote that is judged from when it starts. One at a time: ego
// is not in a hurry, and neither are we.
type Watcher struct {
	client   *kafka.Client
	topic    string
	verify   Verify
	log      *slog.Logger
	opinions *prometheus.CounterVec
	turn     sync.Mutex
}

// NewWatcher prepares to watch a chain's decisions.
func NewWatcher(chain string, client *kafka.Client, topics schema.Topics, verify Verify, log *slog.Logger) *Watcher {
	w := &Watcher{client: client, topic: topics.Decisions, verify: verify, log: log, opinions: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "assay_second_opinions_total", Help: "Quotes that ego was asked about, by what it came to: agrees, disagrees, or none where it could not judge.",
		ConstLabels: prometheus.Labels{"chain": chain},
	}, []string{"outcome"})}
	for _, outcome := range []Outcome{Agrees, Disagrees, None} {
		w.opinions.WithLabelValues(string(outcome)) // from the start, so that a first disagreement is an increase
	}
	return w
}

// Describe and Collect make the watcher a collector of its own metrics.
func (w *Watcher) Describe(out chan<- *prometheus.Desc) { w.opinions.Describe(out) }

// Collect hands out the metrics.
func (w *Watcher) Collect(out chan<- prometheus.Metric) { w.opinions.Collect(out) }

// Run follows the decisions log from its end until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	partitions, err := w.client.Partitions(ctx, w.topic)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for partition := range partitions {
		end, err := w.client.End(ctx, w.topic, partition)
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		w.log.Info("asking ego about every quote", "topic", w.topic, "partition", partition, "from_offset", end)
		group.Go(func() error {
			return w.client.Read(ctx, w.topic, partition, end, -1, func(message kafka.Message) error { return w.take(ctx, message) })
		})
	}
	return group.Wait()
}

// take asks about the quote of one decision, if it has one.
func (w *Watcher) take(ctx context.Context, message kafka.Message) error {
	var decision assaypb.Decision
	if err := proto.Unmarshal(message.Value, &decision); err != nil {
		return fmt.Errorf("decisions log, partition %d, offset %d: %w", message.Partition, message.Offset, err)
	}
	quote, ours, ok := judged(decision.GetVerdict().GetAttestation())
	if !ok {
		return nil
	}
	w.turn.Lock()
	defer w.turn.Unlock()
	theirs, verifyErr, err := w.ask(ctx, quote)
	if err != nil {
		return err
	}
	outcome, why := Compare(ours, theirs, verifyErr)
	w.opinions.WithLabelValues(string(outcome)).Inc()
	task := fmt.Sprintf("%#x", decision.Task)
	switch outcome {
	case None:
		w.log.Warn("ego could not judge a quote", "task", task, "reason", why)
	case Disagrees:
		w.log.Error("ego disagrees with our verdict on a quote", "task", task, "worker", fmt.Sprintf("%#x", decision.Worker), "detail", why)
		return w.alarm(ctx, &decision, why)
	}
	return nil
}

// ask lets ego judge. Where it does not come back, the role ends rather than go blind.
func (w *Watcher) ask(ctx context.Context, quote []byte) (report attestation.Report, verifyErr, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		report, verifyErr = w.verify(quote)
	}()
	select {
	case <-done:
		return report, verifyErr, nil
	case <-ctx.Done():
		return attestation.Report{TCBStatus: tcbstatus.Unknown}, nil, fmt.Errorf("waiting for ego's opinion of a quote: %w", ctx.Err())
	}
}

// alarm records the disagreement where operators see it. The engine passes over it.
func (w *Watcher) alarm(ctx context.Context, verdict *assaypb.Decision, why string) error {
	value, err := proto.Marshal(&assaypb.Decision{
		Id:      crypto.Keccak256(verdict.Id, []byte(AlertName)),
		ChainId: verdict.ChainId, Workerpool: verdict.Workerpool, Task: verdict.Task, Worker: verdict.Worker, Time: verdict.Time,
		Body: &assaypb.Decision_Alert{Alert: &assaypb.Alert{Name: AlertName, Detail: why}},
	})
	if err != nil {
		return err
	}
	return w.client.Append(ctx, w.topic, kafka.Message{Key: verdict.Task, Value: value})
}

// judged is the quote of an attestation as ego wants it, and what we said of it. Not ok:
// there is none, or it is not one for ego. That reads SGX quotes, and is a C program that
// should see no quote whose structure we found broken.
func judged(a *assaypb.Attestation) (quote []byte, ours Ours, ok bool) {
	parsed, err := attest.Parse(a.GetQuote())
	if a == nil || err != nil || parsed.TEE != attest.SGX {
		return nil, Ours{}, false
	}
	if !a.Accepted {
		return wrap(a.Quote), Ours{Refused: attest.Class(a.Class), Why: a.Detail}, true
	}
	product := make([]byte, 16)
	binary.LittleEndian.PutUint16(product, uint16(a.ProductId))
	data := parsed.ReportData()
	return wrap(a.Quote), Ours{Report: attestation.Report{
		Data: data[:], SecurityVersion: uint(a.Svn), Debug: parsed.Enclave.Attributes[0]&2 != 0, UniqueID: a.Mrenclave, SignerID: a.Mrsigner, ProductID: product,
		TCBStatus: status(a.TcbStatus),
	}}, true
}

// status is the one of that name.
func status(name string) tcbstatus.Status {
	for s := tcbstatus.UpToDate; s < tcbstatus.Unknown; s++ {
		if s.String() == name {
			return s
		}
	}
	return tcbstatus.Unknown
}

// wrap puts Open Enclave's header (oe_report_header_t: version, type, size) before a quote
// that has none.
func wrap(quote []byte) []byte {
	if binary.LittleEndian.Uint32(quote) == 1 {
		return quote
	}
	header := binary.LittleEndian.AppendUint64([]byte{1, 0, 0, 0, 2, 0, 0, 0}, uint64(len(quote)))
	return append(header, quote...)
}
