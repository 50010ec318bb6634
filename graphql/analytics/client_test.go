package analytics

import (
	"math/big"
	"slices"
	"testing"

	"assay/graphql/client"
)

// Our client reads what is written, to the last page.
func TestClient(t *testing.T) {
	conn := newDatabase(t)
	var accounts []row
	var want []client.Account
	for i := range 2500 {
		accounts = append(accounts, row{
			"chain": uint64(134), "address": address(i), "stake": big.NewInt(int64(i)), "locked": number("2"), "score": number("3"), "earned": enormous,
			"seized": number("5"), "spent": number("6"), "deposited": number("7"), "withdrawn": number("8"), "version": uint64(1),
		})
		want = append(want, client.Account{
			Chain: 134, Address: address(i), Stake: big.NewInt(int64(i)).String(), Locked: "2", Score: "3", Earned: enormous.String(),
			Seized: "5", Spent: "6", Deposited: "7", Withdrawn: "8",
		})
	}
	insert(t, conn, "accounts", accounts...)
	insert(t, conn, "accounts", row{"chain": uint64(7), "address": address(1), "version": uint64(1)})
	insert(t, conn, "tasks", row{"chain": uint64(134), "id": hash(1), "status": "FAILED", "version": uint64(1)}, row{"chain": uint64(134), "id": hash(2), "status": "FAILED", "version": uint64(1)})
	insert(t, conn, "verdicts", row{"chain": uint64(134), "id": hash(1), "outcome": "REJECTED", "reason": "TOO_LATE", "version": uint64(1)})
	insert(t, conn, "postings", fullRows["postings"])
	insert(t, conn, "heads", fullRows["heads"], row{"chain": uint64(7), "head_number": uint64(1), "head_hash": "", "head_time": start, "finalized_number": uint64(0), "finalized_hash": "", "version": uint64(1)})
	c := client.New(newServer(t, conn).URL + "/graphql")

	got, err := c.Accounts(t.Context(), 134)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d accounts, %v, want %d", len(got), err, len(want))
	}
	tasks, err := c.TaskCounts(t.Context(), 134)
	if err != nil || len(tasks) != 1 || tasks["FAILED"] != 2 {
		t.Errorf("task counts %v, %v", tasks, err)
	}
	verdicts, err := c.VerdictCounts(t.Context(), 134)
	if err != nil || !slices.Equal(verdicts, []client.VerdictCount{{Outcome: "REJECTED", Reason: "TOO_LATE", Count: 1}}) {
		t.Errorf("verdict counts %v, %v", verdicts, err)
	}
	sums, err := c.BucketSums(t.Context(), 134)
	if err != nil || !slices.Equal(sums, []client.BucketSum{{Bucket: "LOCKED", Sum: as[*big.Int](fullRows["postings"]["amount"]).String(), Count: 1}}) {
		t.Errorf("bucket sums %v, %v", sums, err)
	}
	meta, err := c.Meta(t.Context())
	full := client.ChainMeta{Chain: 134, HeadNumber: 9007199254740993, HeadHash: hash(1), HeadTime: clock(1), FinalizedNumber: 3, FinalizedHash: hash(2)}
	if err != nil || len(meta) != 2 || meta[0].Chain != 7 || meta[0].FinalizedHash != "" || meta[1] != full {
		t.Errorf("meta %+v, %v", meta, err)
	}
}
