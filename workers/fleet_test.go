package workers_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"assay/contracts"
	"assay/internal/devpki"
	"assay/workers"
)

var scone = common.Hash{31: 0x03}

func crew(t testing.TB, behaviours ...workers.Behaviour) []workers.Agent {
	pki := need(devpki.New([]byte("workers tests")))(t)
	var members []workers.Agent
	for i, behaviour := range behaviours {
		machine := need(pki.Machine(fmt.Sprint(i)))(t)
		members = append(members, workers.Agent{
			Key: keyOf("worker", i), Slots: 4, Behaviour: behaviour,
			Enclave: workers.NewDevEnclave(machine, devpki.Enclave{}, fmt.Append(nil, "secret", i)),
		})
	}
	return members
}

func (m *market) fleet(t testing.TB, members []workers.Agent) *workers.Fleet {
	for i := range members {
		members[i].Workerpool = m.pool
	}
	return need(workers.New(workers.Config{
		ChainID: chainID, Hub: m.d.Hub, Topics: topics, Kafka: m.log, RPC: m.rpc, Depth: depth,
		Poll: 20 * time.Millisecond, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}, members))(t)
}

// On the real contracts: replicated tasks with a liar and enclave tasks that their
// workers end themselves, while the fleet is stopped and the chain forks.
func TestFleetOnTheRealContracts(t *testing.T) {
	members := crew(t, workers.Behaviour{}, workers.Behaviour{}, workers.Behaviour{}, workers.Behaviour{},
		workers.Behaviour{Conduct: workers.Lying}, workers.Behaviour{Conduct: workers.Silent})
	m := newMarket(t, members, 100*time.Millisecond)
	replicated := m.deal(t, 4, 6, common.Hash{}, `{"cmd":"sha256","n":1000}`)
	enclaved := m.deal(t, 3, 1, scone, `{"cmd":"primes","n":1000}`)
	m.assign(t, replicated, false, members...)
	m.assign(t, enclaved, true, members[0])
	defer background(t, m.run)()

	first := m.fleet(t, members)
	stop := background(t, first.Run)
	await(t, "something is in the contract", func() bool { return first.Progress().Contributed > 2 })
	stop()
	check(t, m.chain.Fork(2))

	second := m.fleet(t, members)
	defer background(t, second.Run)()
	await(t, "something is revealed", func() bool { return second.Progress().Revealed > 2 })
	check(t, m.chain.Fork(2))
	await(t, "all tasks are completed", func() bool { return m.completed(t) })
	for index := range uint64(4) {
		m.checkWinners(t, contracts.TaskID(replicated, index), members)
	}
	await(t, "workers see the end", func() bool {
		// The silent worker's tasks end too: they are over.
		return second.Progress().Open == 0
	})
	if got := second.Progress(); got.Dropped != 0 || got.Refused != 0 {
		t.Errorf("progress %+v", got)
	}
}

// checkWinners checks that the honest won, that the liar did not, and that every winner
// revealed.
func (m *market) checkWinners(t *testing.T, id common.Hash, members []workers.Agent) {
	task := need(m.client.Task(t.Context(), id, contracts.Latest))(t)
	winners := 0
	for _, member := range members {
		contribution := need(m.client.Contribution(t.Context(), id, addressOf(member.Key), contracts.Latest))(t)
		won := contribution.ResultHash == task.ConsensusValue
		if won {
			winners++
		}
		if won != (contribution.Status == proved) || won && member.Behaviour.Conduct != workers.Honest {
			t.Errorf("%s worker: contribution %+v", member.Behaviour.Conduct, contribution)
		}
	}
	if winners < 3 {
		t.Errorf("%d winners", winners)
	}
}
