package poco

// addCategory appends a category (IexecCategoryManagerFacet.createCategory).
func (t *call) addCategory(c AddCategory) {
	t.require(t.sender == t.s.rules.Owner, "Ownable: caller is not the owner")
	t.emit(CreateCategory{
		ID: number(t.s.Categories()), Name: c.Name, Description: c.Description, WorkClockTimeRef: c.WorkClockTimeRef,
	})
}

// register makes a resource (Registry._mintCreate). The same metadata and owner give the
// same address, where there can be only one.
func (t *call) register(c Register) {
	t.require(t.s.resources.get(c.At) == nil, "Create2: Failed on deploy")
	t.require(c.Resource.Owner != Address{}, "ERC721: mint to the zero address")
	body := c.Resource
	t.emit(ResourceTransfer{Kind: body.Kind, To: body.Owner, Resource: c.At, Body: &body})
}

// transferResource moves a resource's NFT. Approvals of other operators are not
// followed: only the owner is taken to move it.
func (t *call) transferResource(c TransferResource) {
	r := t.s.resources.get(c.Resource)
	if !t.require(r != nil && r.Kind == c.Kind, "ERC721: operator query for nonexistent token") {
		return
	}
	t.require(r.Owner == t.sender, "ERC721: transfer caller is not owner nor approved")
	t.require(r.Owner == c.From, "ERC721: transfer of token that is not own")
	t.require(c.To != Address{}, "ERC721: transfer to the zero address")
	t.emit(ResourceTransfer{Kind: c.Kind, From: c.From, To: c.To, Resource: c.Resource})
}

// changePolicy is Workerpool.changePolicy. Deals made before keep what they were made with.
func (t *call) changePolicy(c ChangePolicy) {
	r := t.s.resources.get(c.Workerpool)
	if !t.require(r != nil && r.Kind == Workerpool, "") {
		return
	}
	t.require(r.Owner == t.sender, "caller is not the owner")
	t.require(!c.SchedulerRewardRatio.Gt(hundred), "")
	t.emit(PolicyUpdate{
		Workerpool:              c.Workerpool,
		OldWorkerStakeRatio:     r.WorkerStakeRatio,
		NewWorkerStakeRatio:     c.WorkerStakeRatio,
		OldSchedulerRewardRatio: r.SchedulerRewardRatio,
		NewSchedulerRewardRatio: c.SchedulerRewardRatio,
	})
}

// owner is what a resource's owner() answers; a call of anything else reverts.
func (t *call) owner(resource Address) Address {
	r := t.s.resources.get(resource)
	if !t.require(r != nil, "") {
		return Address{}
	}
	return r.Owner
}

// manageOrder is IexecOrderManagementFacet: an order's owner, or who has its signature,
// signs or closes the order.
func (t *call) manageOrder(c ManageOrder) {
	owner := t.orderOwner(c.Order)
	if t.err != nil {
		return
	}
	if owner != t.sender {
		t.requireSigned(owner, t.s.rules.OperationHash(c.Order, c.Close), c.Sign, "invalid-sender-or-signature")
	}
	hash := t.s.rules.OrderHash(c.Order)
	if c.Close {
		t.emit(OrderClosed{Kind: c.Order.kind(), Hash: hash, Volume: c.Order.volume()})
		return
	}
	t.emit(OrderSigned{Kind: c.Order.kind(), Hash: hash, Signer: owner})
}

func (t *call) orderOwner(order AnyOrder) Address {
	switch o := order.(type) {
	case AppOrder:
		return t.owner(o.App)
	case DatasetOrder:
		return t.owner(o.Dataset)
	case WorkerpoolOrder:
		return t.owner(o.Workerpool)
	case RequestOrder:
		return o.Requester
	}
	t.require(false, "")
	return Address{}
}

// requireSigned fails the call unless the account signed the hash.
func (t *call) requireSigned(account Address, hash Hash, signature []byte, reason string) {
	if t.err != nil {
		return
	}
	ok, err := t.s.signed(account, hash, signature, t.legacy())
	if err != nil {
		t.err = err
		return
	}
	t.require(ok, reason)
}

// requireOrderSigned fails the call unless the account signed the order, on chain or off.
func (t *call) requireOrderSigned(account Address, hash Hash, signature []byte, reason string) {
	if account != (Address{}) && t.s.Order(hash).Signer == account {
		return
	}
	t.requireSigned(account, hash, signature, reason)
}
