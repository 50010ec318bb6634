package cli

import (
	"context"
	"errors"
	"math/big"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"

	"assay/contracts/deploy"
	"assay/internal/devchain"
)

// TestLiveChain measures how long after the embedded chain announced a block GraphQL answers
// with it: a block every second, in which a pool and a worker settle deals on the real
// contracts. Index and API are processes of their own.
func TestLiveChain(t *testing.T) {
	if os.Getenv(benchLive) == "" {
		t.Skip("a benchmark: make bench-index")
	}
	s := start3(t)
	s.ok(deploy.Deposit(t.Context(), s.wallet, s.Deployment, big.NewInt(1e12)))
	app := s.app()
	s.pace(time.Second)
	s.command(append([]string{"migrate"}, s.common...)...)
	api := s.free()
	spawn(t, append(append([]string{"index", "--metrics", s.free()}, s.common...), s.chain...)...)
	spawn(t, append([]string{"serve", "--listen", api}, s.common...)...)
	s.role(append([]string{"pool", "--metrics", s.free(), "--key-file", s.file("pool")}, s.chain...)...)
	s.role(append([]string{"worker", "--metrics", s.free(), "--key-file", s.file("worker")}, s.chain...)...)
	ctx, stop := context.WithCancel(t.Context())
	first, err := s.match(ctx, app, 1)
	s.ok(err)
	s.until("a task is completed, and served so", func() bool { return s.completed(api, first) })
	sold := make(chan error, 1)
	go func() {
		for salt := int64(2); ; salt++ {
			if _, err := s.match(ctx, app, salt); err != nil {
				sold <- err
				return
			}
		}
	}()
	client, err := ethclient.Dial(s.node.WSURL())
	s.ok(err)
	defer client.Close()
	heads := make(chan *types.Header, 1000)
	subscription, err := client.SubscribeNewHead(ctx, heads)
	s.ok(err)
	defer subscription.Unsubscribe()
	head := <-heads
	awaitHead(t, "http://"+api, head.Number.Uint64(), 5*time.Millisecond)
	for len(heads) > 0 {
		<-heads
	}
	var took []time.Duration
	transactions := uint(0)
	for range max(1, number(benchLive, 0)) {
		head := <-heads
		announced := time.Now()
		awaitHead(t, "http://"+api, head.Number.Uint64(), 5*time.Millisecond)
		took = append(took, time.Since(announced))
		n, err := client.TransactionCount(t.Context(), head.Hash())
		s.ok(err)
		transactions += n
	}
	stop() // it sold all the while
	if err := <-sold; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	t.Logf("%d transactions in these blocks", transactions)
	promptly(t, took)
}

// pace starts the chain again where it was, with another time between blocks.
func (s *servers) pace(period time.Duration) {
	s.Helper()
	address, err := url.Parse(s.node.HTTPURL())
	s.ok(err)
	s.ok(s.node.Close())
	s.config.Period = period
	s.config.Port, err = strconv.Atoi(address.Port())
	s.ok(err)
	s.node, err = devchain.Start(s.config)
	s.ok(err)
}
