package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"assay/consensus/attest"
	"assay/consensus/poco"
	"assay/schema/assaypb"
)

// benchTasks is how many tasks one deal of the benchmark has, benchMachines by how many
// workers they are done, each on a machine of its own.
const (
	benchTasks      = 512
	benchMachines   = 16
	quoteSignature  = 48 + 384 + 4 // where it is in a quote of version 3
	benchPartitions = 4            // of the contributions log, roles.Partitions
)

// The modes of messages that cost the most before they are refused.
const (
	// Made up on a real machine that was not seen before, good but for the quote's own signature.
	dearestRefusal = "dearest-refusal"
	// From a real machine that was not seen before, its quote good, signed by another key than it binds.
	misSignedRefusal = "refusal-after-a-good-quote"
	// As large as is read, and no quote.
	largestRefusal = "largest-refusal"
)

// refusals are the modes of messages that must be refused, and the reasons.
var refusals = map[string]assaypb.Reason{
	dearestRefusal:   assaypb.Reason_REASON_BAD_QUOTE,
	misSignedRefusal: assaypb.Reason_REASON_BAD_ENCLAVE_SIGNATURE,
	largestRefusal:   assaypb.Reason_REASON_BAD_QUOTE,
}

// BenchmarkEngine judges contributions end to end, from the log's bytes to the decision's:
// decoding, the worker's signature, the enclave's, its quote, the authorization, encoding.
// One round is benchTasks contributions. CPU time is the process's, so that what else runs
// on the machine does not count; xP256 is it in verifications of a P-256 signature by
// crypto/ecdsa, measured in turn with the rounds.
func BenchmarkEngine(b *testing.B) {
	for _, mode := range []string{"no-enclave", "session", "quote-each", dearestRefusal, misSignedRefusal, largestRefusal} {
		b.Run(mode, func(b *testing.B) { benchmarkMode(b, mode) })
	}
}

func benchmarkMode(b *testing.B, mode string) {
	p, letters := benchPool(b, mode)
	verify := p256(b)
	var judging, yardstick time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		before := cpuTime(b)
		p.judgeAll(letters, refusals[mode])
		judging += cpuTime(b) - before
		b.StopTimer()
		before = cpuTime(b)
		verify(200)
		yardstick += cpuTime(b) - before
		p.forget()
		b.StartTimer()
	}
	each := judging.Seconds() / float64(b.N*benchTasks)
	b.ReportMetric(1/each, "contributions/core-s")
	b.ReportMetric(each/(yardstick.Seconds()/float64(200*b.N)), "xP256")
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N*benchTasks), "wall-µs/contribution")
	b.ReportMetric(0, "ns/op")
}

// judgeAll judges the contributions, which must all be refused for a reason, or accepted where there
// is none, as the shell does: those of different partitions are opened side by side, then judged one
// after the other.
func (p *pool) judgeAll(letters [][]byte, want assaypb.Reason) {
	inbox := make(chan *message, maxBatch)
	for partition := range benchPartitions {
		go func() {
			for i := partition; i < len(letters); i += benchPartitions {
				inbox <- p.config.open(letters[i])
			}
		}()
	}
	for i := range letters {
		decision, err := p.core.judge(0, uint64(1<<20+i), <-inbox)
		verdict := decision.GetVerdict()
		accepted := len(verdict.GetAuthorization()) > 0
		if err != nil || accepted != (want == 0) || !accepted && verdict.GetReason() != want {
			p.Fatalf("contribution %d: %v, %v", i, decision, err)
		}
		if _, err := proto.Marshal(decision); err != nil {
			p.Fatal(err)
		}
	}
}

// forget has the core judge the same contributions again.
func (p *pool) forget() {
	p.core.judged = make(map[source]bool)
	for _, task := range p.core.tasks {
		task.messages, task.platforms = make(map[poco.Hash]bool), make(map[[32]byte]int)
		for _, held := range task.assignments {
			held.accepted, held.refused = false, false
		}
	}
}

// benchPool is a pool with one deal, whose tasks have been assigned, and the contributions
// to it.
func benchPool(b *testing.B, mode string) (*pool, [][]byte) {
	p := newPool(b)
	if refusals[mode] != 0 {
		p.core.platforms = attest.NewPlatforms(1)
	}
	var workers []string
	for i := range benchMachines {
		workers = append(workers, fmt.Sprintf("worker %d", i))
		p.answers[workers[i]] = sleeps
	}
	p.must("poolOwner", poco.Deposit{Amount: nRLC(10_000_000)})
	p.must("requester", poco.Deposit{Amount: nRLC(10_000_000)})
	p.deal(1, func(orders *poco.Orders) {
		if mode != "no-enclave" {
			inEnclave(orders)
		}
		orders.App.Volume, orders.Workerpool.Volume, orders.Request.Volume = nRLC(benchTasks), nRLC(benchTasks), nRLC(benchTasks)
	})
	p.settle()
	var letters [][]byte
	for i, id := range p.core.live {
		letters = append(letters, p.prepared(mode, id, workers[i%len(workers)]))
	}
	if len(letters) != benchTasks {
		b.Fatalf("%d tasks", len(letters))
	}
	p.judgeAll(letters, refusals[mode]) // so that every machine is known
	p.forget()
	return p, letters
}

// prepared is a worker's contribution to a task that it is made to be asked for.
func (p *pool) prepared(mode string, id poco.Hash, worker string) []byte {
	task := p.core.tasks[id]
	p.core.assigned(task, p.who(worker), p.core.now)
	asked := &assaypb.Decision{Task: id[:], Body: &assaypb.Decision_Assignment{
		Assignment: &assaypb.Assignment{Tag: task.deal.Tag.Bytes(), Anchor: task.anchor.Bytes()},
	}}
	if mode == "session" {
		if verdict := p.openSession(worker, asked, nil); verdict.GetOutcome() != assaypb.Verdict_ACCEPTED {
			p.Fatal(verdict)
		}
	}
	body := p.contribution(worker, asked, "right")
	switch mode {
	case "session":
		body.Quote = nil
	case dearestRefusal:
		p.vouchOn(fmt.Sprintf("machine of %s", id), testEnclave, body, p.bound(worker, body, task.anchor))
		body.Quote[quoteSignature] ^= 1
	case misSignedRefusal:
		p.vouchOn(fmt.Sprintf("machine of %s", id), testEnclave, body, p.bound(worker, body, task.anchor))
		misSigned(p, body)
	case largestRefusal:
		body.Quote = make([]byte, maxMessage-1000)
	}
	return p.seal65(worker, signed(body))
}

// p256 returns the yardstick.
func p256(b *testing.B) func(times int) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("yardstick"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	return func(times int) {
		for range times {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
				b.Fatal("not verified")
			}
		}
	}
}

// cpuTime is what the process has used.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
