package workers

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"

	"assay/contracts"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

var runTopics = schema.TopicsOf("run")

// kafkaLog is an empty log in this process.
func kafkaLog(t *testing.T, topics ...string) *kafka.Client {
	t.Helper()
	broker := must(kafka.StartBroker(t.TempDir(), 0))
	log := kafka.NewClient([]string{broker.Addr()})
	t.Cleanup(func() {
		if err := errors.Join(log.Close(), broker.Close()); err != nil {
			t.Error(err)
		}
	})
	for _, topic := range topics {
		if err := log.CreateTopic(t.Context(), topic, 2, schema.MaxMessageBytes); err != nil {
			t.Fatal(err)
		}
	}
	return log
}

func onFakeChain(log *kafka.Client, members ...Agent) *Fleet {
	f := must(New(Config{
		ChainID: fakeChainID, Topics: runTopics, Kafka: log, Poll: time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}, members))
	f.chain = newFakeChain(1, fakeTask0)
	return f
}

// said collects what workers published, until there is enough of it.
func said(t *testing.T, log *kafka.Client, enough int) (payloads []*assaypb.WorkerPayload) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for len(payloads) < enough {
		payloads = nil
		for partition := range 2 {
			end := must(log.End(ctx, runTopics.Contributions, partition))
			err := log.Read(ctx, runTopics.Contributions, partition, 0, end, func(message kafka.Message) error {
				var envelope assaypb.WorkerMessage
				payload := &assaypb.WorkerPayload{}
				payloads = append(payloads, payload)
				return errors.Join(proto.Unmarshal(message.Value, &envelope), proto.Unmarshal(envelope.Payload, payload))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return payloads
}

// started runs a fleet until the returned function is called.
func started(t *testing.T, f *Fleet) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the fleet ended with %v", err)
		}
	}
}

func TestWorkersSignOnAndOff(t *testing.T) {
	log := kafkaLog(t, runTopics.Contributions, runTopics.Decisions)
	var before uint64
	for start := range 2 {
		stop := started(t, onFakeChain(log, member(0, Behaviour{})))
		beats := said(t, log, 2*start+1)
		on := beats[len(beats)-1].GetHeartbeat()
		if on.Slots != 2 || common.BytesToAddress(on.Workerpool) != fakePool || start > 0 && on.Session <= before {
			t.Errorf("start %d: heartbeat %v after session %d", start, on, before)
		}
		before = on.Session
		stop()
		beats = said(t, log, 2*start+2)
		if off := beats[len(beats)-1].GetHeartbeat(); off.Slots != 0 || off.Session != before {
			t.Errorf("start %d: signed off with %v", start, off)
		}
	}
}

// Of all that is in the decisions log only what is meant for a worker reaches it, and
// nothing there can stop it.
func TestOnlyTheWorkersOwnAssignmentsCount(t *testing.T) {
	log := kafkaLog(t, runTopics.Contributions, runTopics.Decisions)
	worker := member(0, Behaviour{})
	change := func(edit func(*assaypb.Decision, *assaypb.Assignment)) []byte {
		decision := assignment(worker, fakeTask0, 0, false)
		edit(decision, decision.GetAssignment())
		return must(proto.Marshal(decision))
	}
	values := [][]byte{
		[]byte("not a decision"), nil,
		change(func(d *assaypb.Decision, _ *assaypb.Assignment) { d.ChainId++ }),
		change(func(d *assaypb.Decision, _ *assaypb.Assignment) { d.Workerpool = []byte{1} }),
		change(func(d *assaypb.Decision, _ *assaypb.Assignment) { d.Worker = []byte{1} }),
		change(func(d *assaypb.Decision, _ *assaypb.Assignment) { d.Task = d.Task[1:] }),
		change(func(_ *assaypb.Decision, a *assaypb.Assignment) { a.Index++ }),
		change(func(d *assaypb.Decision, _ *assaypb.Assignment) { d.Body = nil }),
		change(func(d *assaypb.Decision, _ *assaypb.Assignment) {
			d.Body = &assaypb.Decision_Verdict{Verdict: &assaypb.Verdict{Outcome: assaypb.Verdict_ACCEPTED}}
		}),
		change(func(d *assaypb.Decision, _ *assaypb.Assignment) {
			d.Body = &assaypb.Decision_Consensus{Consensus: &assaypb.Consensus{}}
		}),
		change(func(*assaypb.Decision, *assaypb.Assignment) {}),
		change(func(*assaypb.Decision, *assaypb.Assignment) {}),
	}
	for _, value := range values {
		if err := log.Append(t.Context(), runTopics.Decisions, kafka.Message{Key: fakeTask0[:], Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	f := onFakeChain(log, worker)
	defer started(t, f)()
	published := said(t, log, 2)
	if got := f.Progress(); got.Assigned != 1 || got.Published != 1 {
		t.Errorf("progress %+v", got)
	}
	for _, payload := range published {
		if body := payload.GetContribution(); body != nil && common.Hash(body.Task) != fakeTask0 {
			t.Errorf("contribution to %x", body.Task)
		}
	}
}

func TestRunNeedsItsLogs(t *testing.T) {
	log := kafkaLog(t, runTopics.Contributions)
	if err := onFakeChain(log, member(0, Behaviour{})).Run(t.Context()); !errors.Is(err, kafka.ErrUnknownTopic) {
		t.Errorf("without a decisions log: %v", err)
	}
}

func TestNewChecksItsMembers(t *testing.T) {
	idle := member(0, Behaviour{})
	idle.Slots = 0
	for name, members := range map[string][]Agent{
		"no slots": {idle}, "twice": {member(0, Behaviour{}), member(0, Behaviour{})},
	} {
		if _, err := New(Config{}, members); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Trouble with the node is said once, and so is its end.
func TestTroubleIsSaidOnce(t *testing.T) {
	lines := 0
	f := must(New(Config{Log: slog.New(slog.NewTextHandler(counter{&lines}, nil))}, nil))
	for _, trouble := range []error{nil, errGone, errGone, io.EOF, nil, nil} {
		f.say(trouble)
	}
	if lines != 3 {
		t.Errorf("%d lines, want 3: two troubles and the end", lines)
	}
}

type counter struct{ lines *int }

func (c counter) Write(line []byte) (int, error) {
	*c.lines++
	return len(line), nil
}

func TestSealedMessagesNameTheirSigner(t *testing.T) {
	var envelope assaypb.WorkerMessage
	if err := proto.Unmarshal(must(Seal(keyOf(0), &assaypb.WorkerPayload{ChainId: 1})), &envelope); err != nil {
		t.Fatal(err)
	}
	signer := must(contracts.RecoverMessage(crypto.Keccak256Hash(envelope.Payload), envelope.Signature))
	if signer != crypto.PubkeyToAddress(keyOf(0).PublicKey) {
		t.Errorf("signed by %s", signer)
	}
}
