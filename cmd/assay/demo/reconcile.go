package demo

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/jedib0t/go-pretty/v6/table"

	"assay/contracts"
	"assay/graphql/client"
)

// statement is an account as GraphQL serves it, beside the contract's own word.
type statement struct {
	account client.Account
	name    string
	stake   *big.Int // viewAccount
	locked  *big.Int // viewAccount
	score   *big.Int // viewScore
}

// differs says whether one nRLC, or one point of score, is not as the contract has it.
func (s statement) differs() bool {
	return s.account.Stake != s.stake.String() || s.account.Locked != s.locked.String() || s.account.Score != s.score.String()
}

// reconcile compares every account that GraphQL serves with the contract, at the block
// up to which GraphQL says it is indexed. While the chain still moves the two are not
// read at the same instant, so a difference counts only once the head has stood still.
func reconcile(ctx context.Context, w *world, m *market, api *client.Client) ([]statement, error) {
	for {
		before, err := indexed(ctx, api)
		if err != nil {
			return nil, err
		}
		accounts, err := api.Accounts(ctx, chainID)
		if err != nil {
			return nil, err
		}
		statements, err := compare(ctx, w, m, accounts, before)
		if err != nil {
			return nil, err
		}
		after, err := indexed(ctx, api)
		if err != nil {
			return nil, err
		}
		if before == after || differences(statements) == 0 {
			return statements, nil
		}
	}
}

// indexed is the newest block whose rows are all there.
func indexed(ctx context.Context, api *client.Client) (uint64, error) {
	heads, err := api.Meta(ctx)
	if err != nil {
		return 0, err
	}
	for _, head := range heads {
		if head.Chain == chainID {
			return head.HeadNumber, nil
		}
	}
	return 0, nil
}

// caughtUp waits until what is now the newest block is indexed.
func caughtUp(ctx context.Context, w *world, api *client.Client) error {
	var head struct {
		Number string `json:"number"`
	}
	if err := w.rpc.CallContext(ctx, &head, "eth_getBlockByNumber", "latest", false); err != nil {
		return err
	}
	number, ok := new(big.Int).SetString(head.Number, 0)
	if !ok {
		return fmt.Errorf("the chain's head has the number %q", head.Number)
	}
	for {
		done, err := indexed(ctx, api)
		if err != nil || done >= number.Uint64() {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// compare asks the contract for every account that GraphQL serves, and for every player
// that it does not.
func compare(ctx context.Context, w *world, m *market, accounts []client.Account, block uint64) ([]statement, error) {
	known := make(map[common.Address]bool)
	for _, account := range accounts {
		known[common.HexToAddress(account.Address)] = true
	}
	for _, player := range m.who.players() {
		if !known[player.address] {
			accounts = append(accounts, client.Account{Address: player.address.Hex(), Stake: "0", Locked: "0", Score: "0",
				Earned: "0", Seized: "0", Spent: "0", Deposited: "0", Withdrawn: "0"})
		}
	}
	poco := contracts.NewClient(w.rpc, m.deployment.Hub)
	statements := make([]statement, len(accounts))
	views := make([]contracts.Account, len(accounts))
	var reads []*contracts.Read
	for i, account := range accounts {
		address := common.HexToAddress(account.Address)
		statements[i] = statement{account: account, name: m.name(address)}
		reads = append(reads, poco.ReadAccount(address, &views[i]), poco.ReadScore(address, &statements[i].score))
	}
	if err := poco.Batch(ctx, contracts.AtNumber(block), reads...); err != nil {
		return nil, err
	}
	for _, read := range reads {
		if read.Err != nil {
			return nil, fmt.Errorf("asking the contract for the accounts at block %d: %w", block, read.Err)
		}
	}
	for i := range statements {
		statements[i].stake, statements[i].locked = views[i].Stake, views[i].Locked
	}
	return statements, nil
}

// balance adds up the ledger: how many postings it has, and what they come to, which must
// be nothing.
func balance(ctx context.Context, api *client.Client) (postings uint64, sum *big.Int, err error) {
	buckets, err := api.BucketSums(ctx, chainID)
	if err != nil {
		return 0, nil, err
	}
	sum = new(big.Int)
	for _, bucket := range buckets {
		part, ok := new(big.Int).SetString(bucket.Sum, 10)
		if !ok {
			return 0, nil, fmt.Errorf("the postings of %s add up to %q", bucket.Bucket, bucket.Sum)
		}
		sum.Add(sum, part)
		postings += bucket.Count
	}
	return postings, sum, nil
}

func differences(statements []statement) int {
	count := 0
	for _, statement := range statements {
		if statement.differs() {
			count++
		}
	}
	return count
}

// maxRows is how many accounts the closing table lists; where there are more, those that
// differ come first, then the ones that earned or lost most.
const maxRows = 60

// render is the closing table.
func render(statements []statement) string {
	writer := table.NewWriter()
	writer.SetStyle(table.StyleLight)
	writer.SetTitle("Accounts in nRLC: earned, spent and seized from ClickHouse through GraphQL; staked and locked beside the contract's viewAccount")
	writer.AppendHeader(table.Row{"account", "who", "earned", "spent", "seized", "staked", "contract", "locked", "contract", "score", ""})
	shown := statements[:min(len(statements), maxRows)]
	for _, s := range shown {
		mark := "="
		if s.differs() {
			mark = "DIFFERS"
		}
		writer.AppendRow(table.Row{short(s.account.Address), s.name, s.account.Earned, s.account.Spent, s.account.Seized,
			s.account.Stake, s.stake, s.account.Locked, s.locked, s.account.Score, mark})
	}
	if rest := len(statements) - len(shown); rest > 0 {
		writer.AppendFooter(table.Row{fmt.Sprintf("and %d more", rest)})
	}
	return writer.Render()
}

func short(address string) string { return address[:6] + "…" + address[len(address)-4:] }
