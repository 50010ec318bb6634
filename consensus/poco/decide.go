package poco

import (
	"fmt"

	"github.com/holiman/uint256"

	"assay/schema/chains"
)

// Revert is how the contract refuses a command: nothing changes.
type Revert struct {
	// Reason is the contract's own, empty where it has none. Solidity's panics read
	// "panic 0x11" (arithmetic), and so on.
	Reason string
}

func (r *Revert) Error() string {
	if r.Reason == "" {
		return "reverted without a reason"
	}
	return "reverted: " + r.Reason
}

// Decide returns the events that the contracts would emit for a command, in their order,
// with everything attached. The error is a *Revert where the contracts would revert,
// and ErrForgotten where only they know, see ForgetOrders; any other error means that the
// state is broken. The state is the same afterwards.
func (s *State) Decide(at Block, sender Address, command Command) ([]Event, error) {
	if s.orderless && aboutOrders(command) {
		return nil, ErrForgotten
	}
	mark := s.Mark()
	t := &call{s: s, at: at, era: s.rules.era(at.Number), sender: sender}
	s.forgetLast()
	t.run(command)
	if err := s.Rollback(mark); err != nil {
		return nil, fmt.Errorf("taking back %T: %w", command, err)
	}
	if t.err != nil {
		return nil, t.err
	}
	return t.events, nil
}

// call is a command being carried out on the state. The first failure sticks; after it
// nothing more is emitted, and all that was is taken back.
type call struct {
	s      *State
	at     Block
	era    chains.Era
	sender Address
	events []Event
	err    error
}

func (t *call) run(command Command) {
	switch c := command.(type) {
	case Initialize:
		t.initialize(c.Deal, c.Index)
	case Contribute:
		t.contribute(c)
	case ContributeAndFinalize:
		t.contributeAndFinalize(c)
	case Reveal:
		t.reveal(c)
	case Reopen:
		t.reopen(c.Task)
	case Finalize:
		t.finalize(c)
	case Claim:
		t.claim(c.Task)
	case InitializeArray:
		t.initializeArray(c.Deals, c.Indices)
	case ClaimArray:
		for _, task := range c.Tasks {
			t.claim(task)
		}
	case InitializeAndClaimArray:
		t.initializeAndClaimArray(c.Deals, c.Indices)
	case PushResultBoost:
		t.pushResultBoost(c)
	case ClaimBoost:
		t.claimBoost(c)
	default:
		t.runMarket(command)
	}
}

func (t *call) runMarket(command Command) {
	switch c := command.(type) {
	case MatchOrders:
		t.matchOrders(&c.Orders, c.Request.Requester)
	case SponsorMatchOrders:
		t.sponsorMatchOrders(&c.Orders)
	case MatchOrdersBoost:
		t.matchOrdersBoost(&c.Orders, c.Request.Requester)
	case SponsorMatchOrdersBoost:
		deal := t.matchOrdersBoost(&c.Orders, t.sender)
		t.emit(DealSponsoredBoost{Deal: deal, Sponsor: t.sender})
	case ManageOrder:
		t.manageOrder(c)
	case AddCategory:
		t.addCategory(c)
	case Register:
		t.register(c)
	case TransferResource:
		t.transferResource(c)
	case ChangePolicy:
		t.changePolicy(c)
	default:
		t.runEscrow(command)
	}
}

func (t *call) runEscrow(command Command) {
	switch c := command.(type) {
	case Deposit:
		t.deposit(t.sender, c.Amount)
	case DepositFor:
		t.deposit(c.Target, c.Amount)
	case DepositForArray:
		t.depositForArray(c)
	case Withdraw:
		t.withdraw(c.Amount)
	case WithdrawTo:
		t.withdraw(c.Amount)
	case TransferStake:
		t.transferStake(t.sender, c.To, c.Amount)
	case Approve:
		t.approve(t.sender, c.Spender, c.Amount)
	case IncreaseAllowance:
		allowance := t.s.Allowance(t.sender, c.Spender)
		t.approve(t.sender, c.Spender, t.safeAdd(allowance, c.Amount))
	case DecreaseAllowance:
		allowance := t.s.Allowance(t.sender, c.Spender)
		t.approve(t.sender, c.Spender, t.safeSub(allowance, c.Amount))
	case TransferStakeFrom:
		t.transferStake(c.From, c.To, c.Amount)
		allowance := t.s.Allowance(c.From, t.sender)
		t.approve(c.From, t.sender, t.safeSub(allowance, c.Amount))
	default:
		t.require(false, fmt.Sprintf("no such command: %T", command))
	}
}

// require fails the call with a reason if a condition does not hold, and says whether
// the call goes on.
func (t *call) require(condition bool, reason string) bool {
	if !condition && t.err == nil {
		t.err = &Revert{Reason: reason}
	}
	return t.err == nil
}

// legacy says whether the contracts are those before PoCo 5.5. They were written for
// Solidity 0.6 and refuse some things in other words; the sponsor came with the rewrite.
func (t *call) legacy() bool { return t.era.NoSponsor }

// panics fails the call if arithmetic overflowed: with Solidity's panic 0x11, or before
// PoCo 5.5 (SafeMathExtended) without a reason.
func (t *call) panics(overflow bool) {
	if t.legacy() {
		t.require(!overflow, "")
		return
	}
	t.require(!overflow, "panic 0x11")
}

// emit lets an event happen.
func (t *call) emit(event Event) {
	if t.err != nil {
		return
	}
	if err := t.s.Evolve(t.at, event); err != nil {
		t.err = err
		return
	}
	t.events = append(t.events, event)
}

// Arithmetic of Solidity 0.8: checked.

func (t *call) add(x, y Amount) (sum Amount) {
	_, overflow := sum.AddOverflow(&x, &y)
	t.panics(overflow)
	return sum
}

func (t *call) sub(x, y Amount) (difference Amount) {
	_, overflow := difference.SubOverflow(&x, &y)
	t.panics(overflow)
	return difference
}

func (t *call) mul(x, y Amount) (product Amount) {
	_, overflow := product.MulOverflow(&x, &y)
	t.panics(overflow)
	return product
}

// percent is x·ratio/100, rounded down.
func (t *call) percent(x, ratio Amount) Amount {
	product := t.mul(x, ratio)
	return *product.Div(&product, hundred)
}

// Arithmetic of the older facets (SafeMathExtended): the same, reverting without a reason.

func (t *call) safeAdd(x, y Amount) (sum Amount) {
	_, overflow := sum.AddOverflow(&x, &y)
	t.require(!overflow, "")
	return sum
}

func (t *call) safeSub(x, y Amount) (difference Amount) {
	_, overflow := difference.SubOverflow(&x, &y)
	t.require(!overflow, "")
	return difference
}

// Money (IexecEscrow.v8.sol).

// lock takes nRLC from an account's stake and puts it at stake.
func (t *call) lock(account Address, value Amount) {
	t.escrow(account, t.s.rules.Hub, value)
	t.emit(Lock{Owner: account, Amount: value})
}

// unlock gives it back.
func (t *call) unlock(account Address, value Amount) {
	t.escrow(t.s.rules.Hub, account, value)
	t.free(account, value)
	t.emit(Unlock{Owner: account, Amount: value})
}

// seize takes it away; it stays in the hub's account until a reward moves it.
func (t *call) seize(account Address, value Amount, task Hash) {
	t.free(account, value)
	t.emit(Seize{Owner: account, Amount: value, Ref: task})
}

func (t *call) reward(account Address, value Amount, task Hash) {
	t.escrow(t.s.rules.Hub, account, value)
	t.emit(Reward{Owner: account, Amount: value, Ref: task})
}

// free checks that so much is locked.
func (t *call) free(account Address, value Amount) { t.sub(t.s.Account(account).Locked, value) }

func (t *call) escrow(from, to Address, value Amount) {
	if t.legacy() {
		t.transferStake(from, to, value) // IexecERC20Core did both
		return
	}
	t.require(from != Address{}, "IexecEscrow: Transfer from empty address")
	t.require(to != Address{}, "IexecEscrow: Transfer to empty address")
	stake := t.s.Account(from).Stake
	t.require(!stake.Lt(&value), "IexecEscrow: Transfer amount exceeds balance")
	t.emit(Transfer{From: from, To: to, Value: value})
}

func number(x uint64) Amount { return *uint256.NewInt(x) }
