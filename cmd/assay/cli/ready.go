package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prometheus/client_golang/prometheus"

	"assay/cmd/assay/roles"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
)

// neighbours is the readiness of a role that acts on the chain and on the chain log, as a
// pool and a worker do: both answer, and the log is not behind the chain.
type neighbours struct {
	deps roles.Deps

	mu  sync.Mutex
	at  time.Time // when it last asked
	lag lag
	err error
}

// lag is how far the chain log is behind the chain.
type lag struct{ blocks, seconds uint64 }

const (
	// answersHold is how long an answer is good for, so that whoever asks for readiness does
	// not ask the chain's endpoint as often.
	answersHold = 2 * time.Second
	// answersTake is how long the neighbours may take.
	answersTake = 5 * time.Second
)

// ready says why the role is not ready.
func (n *neighbours) ready() error {
	lag, err := n.ask()
	switch {
	case err != nil:
		return err
	case lag.blocks > maxLag && lag.seconds > maxLagSeconds:
		return fmt.Errorf("the chain log is %d blocks, %d seconds behind the chain: look at assay index", lag.blocks, lag.seconds)
	}
	return nil
}

func (n *neighbours) ask() (lag, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.at) > answersHold {
		ctx, cancel := context.WithTimeout(context.Background(), answersTake)
		defer cancel()
		n.lag, n.err = n.measure(ctx)
		n.at = time.Now()
	}
	return n.lag, n.err
}

func (n *neighbours) measure(ctx context.Context) (lag, error) {
	var head struct {
		Number    hexutil.Uint64 `json:"number"`
		Timestamp hexutil.Uint64 `json:"timestamp"`
	}
	if err := n.deps.RPC.CallContext(ctx, &head, "eth_getBlockByNumber", "latest", false); err != nil {
		return lag{}, fmt.Errorf("the chain does not answer: %w", roles.WithoutURL(err))
	}
	mark, err := lastMark(ctx, n.deps.Kafka, n.deps.Topics().Log)
	if err != nil {
		return lag{}, fmt.Errorf("the chain log cannot be read: %w", err)
	}
	if mark == nil {
		return lag{}, errors.New("the chain log is empty: assay index has not reached the preset's first block yet")
	}
	return lag{uint64(head.Number) - min(uint64(head.Number), mark.HeadNumber), uint64(head.Timestamp) - min(uint64(head.Timestamp), mark.HeadTime)}, nil
}

// lastMark is the newest mark of a chain log, nil if there is none.
func lastMark(ctx context.Context, client *kafka.Client, topic string) (mark *assaypb.Mark, err error) {
	end, err := client.End(ctx, topic, 0)
	if err != nil {
		return nil, err
	}
	for span := int64(16); mark == nil; span *= 8 {
		from := max(0, end-span)
		err := client.Read(ctx, topic, 0, from, end, func(m kafka.Message) error {
			record, counts, err := schema.ReadRecord(m.Value, m.Offset)
			if err == nil && counts && record.GetMark() != nil {
				mark = record.GetMark()
			}
			return err
		})
		if err != nil || from == 0 {
			return mark, err
		}
	}
	return mark, nil
}

var (
	logLagBlocks  = prometheus.NewDesc("assay_log_lag_blocks", "Blocks of the chain that are not in the chain log yet.", []string{"chain"}, nil)
	logLagSeconds = prometheus.NewDesc("assay_log_lag_seconds", "How much older the chain log's newest block is than the chain's.", []string{"chain"}, nil)
)

// Describe describes the metrics.
func (n *neighbours) Describe(out chan<- *prometheus.Desc) { out <- logLagBlocks; out <- logLagSeconds }

// Collect gives the metrics, none if a neighbour does not answer.
func (n *neighbours) Collect(out chan<- prometheus.Metric) {
	lag, err := n.ask()
	if err != nil {
		return
	}
	out <- prometheus.MustNewConstMetric(logLagBlocks, prometheus.GaugeValue, float64(lag.blocks), n.deps.Preset.Name)
	out <- prometheus.MustNewConstMetric(logLagSeconds, prometheus.GaugeValue, float64(lag.seconds), n.deps.Preset.Name)
}
