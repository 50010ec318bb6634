package demo

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"assay/cmd/assay/roles"
	"assay/contracts"
	"assay/contracts/deploy"
	"assay/schema/chains"
)

// market is the demo's marketplace, ready for deals.
type market struct {
	who        cast
	deployment deploy.Deployment
	resources  resources
	offers     []offer
	requester  *script // deposits, then makes the deals in order
}

// Stakes, nRLC: more than all tasks at once can ask for.
const (
	workerDeposit = 10_000 * 1_000_000_000
	poolDeposit   = 1_000_000 * 1_000_000_000
)

// chunk is how many accounts one transaction deposits for.
const chunk = 50

// setUp deploys the contracts, registers the resources and funds everybody.
func setUp(ctx context.Context, w *world, who cast, list []offer, packages string) (*market, error) {
	deployment, err := deploy.Deploy(ctx, deploy.Config{Client: w.rpc, Key: who.deployer.key, Packages: packages})
	if err != nil {
		return nil, err
	}
	m := &market{who: who, deployment: deployment, offers: list}
	client := contracts.NewClient(w.rpc, deployment.Hub)
	if m.resources, err = predict(ctx, client, deployment, who); err != nil {
		return nil, err
	}
	opening := newScript(w.rpc, who.deployer, chainID, deployment.NextNonce)
	register(opening, deployment, who)
	fund(opening, deployment, who, cost(list))
	if err := opening.play(ctx, len(opening.acts)); err != nil {
		return nil, err
	}
	if err := m.writeDeals(w); err != nil {
		return nil, err
	}
	return m, m.requester.play(ctx, 1)
}

// What is registered. Names of the pools tell them apart for readers of the table.
var (
	plainApp = contracts.App{Name: "numbers", Type: "DOCKER", Multiaddr: []byte("registry.example/numbers:1"),
		Checksum: common.HexToHash("0x01")}
	enclaveApp = contracts.App{Name: "numbers-sealed", Type: "DOCKER", Multiaddr: []byte("registry.example/numbers:1-sealed"),
		Checksum: common.HexToHash("0x02"), MREnclave: []byte(`{"framework":"SCONE","version":"v5","entrypoint":"/numbers","heapSize":1073741824,"fingerprint":"` + roles.DevMeasurement + `"}`)}
	dataset   = contracts.Dataset{Name: "ranges", Multiaddr: []byte("/ipfs/ranges"), Checksum: common.HexToHash("0x03")}
	poolNames = [2]string{"pool A", "pool B"}
)

func predict(ctx context.Context, client *contracts.Client, d deploy.Deployment, who cast) (found resources, err error) {
	if found.app, err = client.PredictApp(ctx, d.AppRegistry, who.deployer.address, plainApp); err != nil {
		return found, err
	}
	if found.enclaveApp, err = client.PredictApp(ctx, d.AppRegistry, who.deployer.address, enclaveApp); err != nil {
		return found, err
	}
	if found.dataset, err = client.PredictDataset(ctx, d.DatasetRegistry, who.datasetOwner.address, dataset); err != nil {
		return found, err
	}
	for i, owner := range who.poolOwners {
		if found.pools[i], err = client.PredictWorkerpool(ctx, d.WorkerpoolRegistry, owner.address, poolNames[i]); err != nil {
			return found, err
		}
	}
	return found, nil
}

// registerGas is more than registering any resource takes.
const registerGas = 5_000_000

func register(s *script, d deploy.Deployment, who cast) {
	s.add("registering the app", d.AppRegistry, contracts.CreateAppCall(who.deployer.address, plainApp), registerGas)
	s.add("registering the enclave's app", d.AppRegistry, contracts.CreateAppCall(who.deployer.address, enclaveApp), registerGas)
	s.add("registering the dataset", d.DatasetRegistry, contracts.CreateDatasetCall(who.datasetOwner.address, dataset), registerGas)
	for i, owner := range who.poolOwners {
		s.add("registering "+poolNames[i], d.WorkerpoolRegistry, contracts.CreateWorkerpoolCall(owner.address, poolNames[i]), registerGas)
	}
}

// fund deposits for pools and workers, and hands the requester the RLC that it will
// deposit itself.
func fund(s *script, d deploy.Deployment, who cast, spend *big.Int) {
	owners := []common.Address{who.poolOwners[0].address, who.poolOwners[1].address}
	amounts := []*big.Int{big.NewInt(poolDeposit), big.NewInt(poolDeposit)}
	for _, worker := range who.workers {
		owners = append(owners, worker.address)
		amounts = append(amounts, big.NewInt(workerDeposit))
	}
	total := new(big.Int)
	for _, amount := range amounts {
		total.Add(total, amount)
	}
	s.add("approving the deposits", d.Token, contracts.ApproveCall(d.Hub, total), 400_000)
	for start := 0; start < len(owners); start += chunk {
		end := min(start+chunk, len(owners))
		s.add("depositing", d.Hub, contracts.DepositForArrayCall(amounts[start:end], owners[start:end]), uint64(end-start+1)*300_000)
	}
	s.add("handing RLC to the requester", d.Token, contracts.TransferCall(who.requester.address, spend), 400_000)
}

// name says who an address is, for the closing table.
func (m *market) name(address common.Address) string {
	switch address {
	case kitty:
		return "kitty"
	case m.deployment.Hub:
		return "PoCo contract"
	}
	for _, player := range m.who.players() {
		if player.address == address {
			return player.role
		}
	}
	return ""
}

// writeDeals writes the requester's script: one deposit, then one deal after the other.
func (m *market) writeDeals(w *world) error {
	domain := contracts.Domain{ChainID: chainID, Hub: m.deployment.Hub}
	m.requester = newScript(w.rpc, m.who.requester, chainID, 0)
	m.requester.add("depositing", m.deployment.Token, contracts.ApproveAndDepositCall(m.deployment.Hub, cost(m.offers)), 1_000_000)
	for i, offer := range m.offers {
		call, err := offer.match(i, m.who, m.resources, domain)
		if err != nil {
			return fmt.Errorf("signing the orders of deal %d: %w", i, err)
		}
		m.requester.add(fmt.Sprintf("making deal %d (%s)", i, offer.name), m.deployment.Hub, call, 2_000_000)
	}
	return nil
}

// deal makes the first count deals, those that have not been made.
func (m *market) deal(ctx context.Context, count int) error {
	return m.requester.play(ctx, 1+count)
}

// preset describes the demo's chain as any other is described.
func (m *market) preset() chains.Preset { return roles.DevPreset("demo", chainID, m.deployment) }

// confirmations is how deep a block is before a pool acts on it. The fork that the demo
// makes is no deeper.
const confirmations = roles.DevConfirmations
