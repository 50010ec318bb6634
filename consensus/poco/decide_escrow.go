package poco

// weiPerNRLC is the native coin's unit (IexecEscrowNativeFacet.nRLCtoWei).
const weiPerNRLC = 1_000_000_000

// deposit mints stake. Of the native coin the remainder below one nRLC goes back.
func (t *call) deposit(target Address, amount Amount) {
	if t.s.rules.Native {
		unit := number(weiPerNRLC)
		amount.Div(&amount, &unit)
	}
	t.mint(target, amount)
}

// depositForArray mints stake for several accounts; with the native coin what was sent
// must cover it.
func (t *call) depositForArray(c DepositForArray) {
	if !t.require(len(c.Amounts) == len(c.Targets), "invalid-array-length") {
		return
	}
	remaining := c.Value
	for i, target := range c.Targets {
		t.mint(target, c.Amounts[i])
		if t.s.rules.Native {
			wei, unit := Amount{}, number(weiPerNRLC)
			_, overflow := wei.MulOverflow(&c.Amounts[i], &unit)
			t.require(!overflow, "")
			remaining = t.safeSub(remaining, wei)
		}
	}
}

func (t *call) mint(target Address, amount Amount) {
	t.require(target != Address{}, "ERC20: mint to the zero address")
	t.safeAdd(t.s.Supply(), amount)
	t.emit(Transfer{To: target, Value: amount})
}

// withdraw burns stake of the sender; the coins' way out is outside the rules.
func (t *call) withdraw(amount Amount) {
	t.safeSub(t.s.Supply(), amount)
	t.safeSub(t.s.Account(t.sender).Stake, amount)
	t.emit(Transfer{From: t.sender, Value: amount})
}

func (t *call) transferStake(from, to Address, amount Amount) {
	t.require(from != Address{}, "ERC20: transfer from the zero address")
	t.require(to != Address{}, "ERC20: transfer to the zero address")
	t.safeSub(t.s.Account(from).Stake, amount)
	t.emit(Transfer{From: from, To: to, Value: amount})
}

func (t *call) approve(owner, spender Address, amount Amount) {
	t.require(owner != Address{}, "ERC20: approve from the zero address")
	t.require(spender != Address{}, "ERC20: approve to the zero address")
	t.emit(Approval{Owner: owner, Spender: spender, Value: amount})
}
