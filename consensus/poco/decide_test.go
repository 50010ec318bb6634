package poco_test

import (
	"errors"
	"testing"

	"assay/consensus/poco"
)

// commands are one command of each type, all zero.
var commands = []poco.Command{
	poco.Deposit{}, poco.DepositFor{}, poco.DepositForArray{}, poco.Withdraw{}, poco.WithdrawTo{}, poco.TransferStake{}, poco.Approve{},
	poco.IncreaseAllowance{}, poco.DecreaseAllowance{}, poco.TransferStakeFrom{}, poco.AddCategory{}, poco.Register{},
	poco.TransferResource{}, poco.ChangePolicy{}, poco.ManageOrder{}, poco.MatchOrders{}, poco.SponsorMatchOrders{},
	poco.MatchOrdersBoost{}, poco.SponsorMatchOrdersBoost{}, poco.Initialize{}, poco.Contribute{}, poco.ContributeAndFinalize{},
	poco.Reveal{}, poco.Reopen{}, poco.Finalize{}, poco.Claim{}, poco.InitializeArray{}, poco.ClaimArray{},
	poco.InitializeAndClaimArray{}, poco.PushResultBoost{}, poco.ClaimBoost{}, nil,
}

// TestEmptyCommandsAreDecided: whatever is asked of whatever state, the answer is events
// or a revert.
func TestEmptyCommandsAreDecided(t *testing.T) {
	empty, full := poco.New(poco.Rules{}), goldenWorld(t)
	full.initialize(full.match(golden(1, 1)), 0)
	for _, state := range []*poco.State{empty, full.state} {
		for _, sender := range []poco.Address{{}, addressOf("requester"), addressOf("owner")} {
			for _, command := range commands {
				_, err := state.Decide(poco.Block{}, sender, command)
				if revert := new(poco.Revert); err != nil && !errors.As(err, &revert) {
					t.Errorf("%T: %v", command, err)
				}
			}
		}
	}
}

func TestARevertSaysWhy(t *testing.T) {
	equal(t, "with a reason", (&poco.Revert{Reason: "because"}).Error(), "reverted: because")
	equal(t, "without", (&poco.Revert{}).Error(), "reverted without a reason")
}

// TestArraysAreAllOrNothing: one call that reverts takes the others back.
func TestArraysAreAllOrNothing(t *testing.T) {
	w := goldenWorld(t)
	deal := w.match(golden(1, 2))
	two := []poco.Hash{deal, deal}
	w.refused("anyone", poco.InitializeArray{Deals: two, Indices: []poco.Amount{amount(0), amount(2)}}, "")
	w.refused("anyone", poco.InitializeArray{Deals: two, Indices: []poco.Amount{amount(0)}}, "")
	equal(t, "events", kinds(w.must("anyone", poco.InitializeArray{Deals: two, Indices: []poco.Amount{amount(0), amount(1)}})),
		"TaskInitialize"+" "+"TaskInitialize")
}

// TestSignaturesInBothForms: 65 bytes and 64 (EIP-2098), of the right signer only.
func TestSignaturesInBothForms(t *testing.T) {
	w := goldenWorld(t)
	deal := w.match(golden(100, 1))
	task := w.initialize(deal, 0)
	command := w.contribution("w1", task, "x")
	long := command.Authorization
	short := append([]byte(nil), long[:64]...)
	short[32] |= (long[64] - 27) << 7
	for name, test := range map[string]struct {
		signature []byte
		reason    string
	}{
		"none":         {nil, "invalid-signature-format"},
		"66 bytes":     {append(append([]byte(nil), long...), 0), "invalid-signature-format"},
		"v of 0 or 1":  {append(append([]byte(nil), long[:64]...), long[64]-27), ""},
		"another's":    {w.authorize("w2", task, poco.Address{}), ""},
		"zero":         {make([]byte, 65), ""},
		"short, wrong": {make([]byte, 64), ""},
	} {
		t.Run(name, func(t *testing.T) {
			bad := command
			bad.Authorization = test.signature
			w.TB = t
			w.refused("w1", bad, test.reason)
		})
	}
	w.TB = t
	command.Authorization = short
	w.must("w1", command)
}

// TestOrdersSignedOnChain need no signature, of whoever owned the resource then.
func TestOrdersSignedOnChain(t *testing.T) {
	w := goldenWorld(t)
	o := w.orders(golden(1, 1))
	o.App.Sign = nil
	w.refused("anyone", poco.MatchOrders{Orders: o}, "invalid-signature-format")
	w.refused("anyone", poco.ManageOrder{Order: o.App}, "invalid-signature-format")
	rules := w.state.Rules()
	forged := poco.ManageOrder{Order: o.App, Sign: w.sign("anyone", rules.OperationHash(o.App, false))}
	w.refused("anyone", forged, "invalid-sender-or-signature")
	w.must("anyone", poco.ManageOrder{Order: o.App, Sign: w.sign("appOwner", rules.OperationHash(o.App, false))})
	w.must("appOwner", poco.TransferResource{Kind: poco.App, Resource: o.App.App, From: w.who("appOwner"), To: w.who("anyone")})
	w.refused("anyone", poco.MatchOrders{Orders: o}, "invalid-signature-format")
	w.must("anyone", poco.TransferResource{Kind: poco.App, Resource: o.App.App, From: w.who("anyone"), To: w.who("appOwner")})
	w.must("anyone", poco.MatchOrders{Orders: o})
	w.refused("anyone", poco.MatchOrders{Orders: o}, "iExecV5-matchOrders-0x60")
}

// TestAClosedOrderIsUsedUp, also where the event did not tell its volume.
func TestAClosedOrderIsUsedUp(t *testing.T) {
	w := goldenWorld(t)
	rules := w.state.Rules()
	o := w.orders(golden(1, 3))
	w.must("requester", poco.ManageOrder{Order: o.Request, Close: true})
	equal(t, "consumed", w.state.Consumed(rules.OrderHash(o.Request)), amount(3))
	w.refused("anyone", poco.MatchOrders{Orders: o}, "iExecV5-matchOrders-0x60")
	other := w.orders(golden(1, 3))
	if err := w.state.Evolve(w.now, poco.OrderClosed{Kind: poco.RequestOrderKind, Hash: rules.OrderHash(other.Request)}); err != nil {
		t.Fatal(err)
	}
	w.refused("anyone", poco.MatchOrders{Orders: other}, "iExecV5-matchOrders-0x60")
}

// TestADealIsFrozen: neither a new owner nor a new policy changes what it pays.
func TestADealIsFrozen(t *testing.T) {
	w := goldenWorld(t)
	task := w.initialize(w.match(golden(1, 1)), 0)
	w.must("poolOwner", poco.ChangePolicy{Workerpool: addressOf("pool"), WorkerStakeRatio: amount(100), SchedulerRewardRatio: amount(100)})
	w.must("poolOwner", poco.TransferResource{Kind: poco.Workerpool, Resource: addressOf("pool"), From: w.who("poolOwner"), To: w.who("w4")})
	w.contribute(task, "w1=x")
	w.must("w1", poco.Reveal{Task: task, Digest: digestOf("x")})
	w.refused("w4", poco.Finalize{Task: task}, "")
	stake, _ := w.gained("w1", func() { w.must("poolOwner", poco.Finalize{Task: task}) })
	equal(t, "worker", stake, 990000006+300000002)
}

// TestTheConsensusOverflows where the contract's arithmetic does.
func TestTheConsensusOverflows(t *testing.T) {
	w := goldenWorld(t)
	var trust poco.Amount
	trust.Lsh(&[]poco.Amount{amount(1)}[0], 255)
	task := w.initialize(w.match(func(o *poco.Orders) { o.Request.Trust, o.Workerpool.Trust = trust, trust }), 0)
	w.refused("w1", w.contribution("w1", task, "x"), "panic 0x11")
}

// TestTheEngineCanForesee what another contribution would do.
func TestTheEngineCanForesee(t *testing.T) {
	w := goldenWorld(t)
	task := w.initialize(w.match(golden(3, 1)), 0)
	w.contribute(task, "w1=x", "w2=y")
	weight := w.state.Weight(w.who("w3"))
	trust := amount(3)
	next, err := w.state.Consensus(task, poco.ResultHash(task, digestOf("x"))).With(&weight)
	if err != nil {
		t.Fatal(err)
	}
	agrees, err := poco.Agrees(&trust, &next.Group, &next.Total)
	equal(t, "agrees at 4/7", agrees, false)
	equal(t, "error", err, nil)
	next, err = next.With(&weight)
	equal(t, "error", err, nil)
	agrees, err = poco.Agrees(&trust, &next.Group, &next.Total)
	equal(t, "agrees at 8/11", agrees, true)
	equal(t, "error", err, nil)
	zero := amount(0)
	if _, err := poco.Agrees(&zero, &next.Group, &next.Total); !errors.Is(err, poco.ErrOverflow) {
		t.Errorf("trust 0: %v", err)
	}
}
