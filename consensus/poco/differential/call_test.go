package differential

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"assay/consensus/poco"
	"assay/contracts/bindings"
)

// call is a command as the contracts take it.
type call struct {
	to    common.Address
	data  []byte
	value *big.Int
}

func number(a poco.Amount) *big.Int { return a.ToBig() }

func numbers(as []poco.Amount) []*big.Int {
	out := make([]*big.Int, len(as))
	for i, a := range as {
		out[i] = number(a)
	}
	return out
}

func words(hs []poco.Hash) [][32]byte {
	out := make([][32]byte, len(hs))
	for i, h := range hs {
		out[i] = h
	}
	return out
}

// encode turns a command into its call.
func (c *chain) encode(command poco.Command) (call, error) {
	var data []byte
	var err error
	to, value := c.hub, (*big.Int)(nil)
	switch o := command.(type) {
	case poco.Deposit, poco.DepositFor, poco.DepositForArray:
		data, value, err = c.encodeDeposit(command)
	case poco.Register:
		to, data, err = c.encodeRegister(o.Resource, "create")
	case poco.TransferResource:
		to = c.registryOf(o.Kind)
		data, err = c.registry.Pack("transferFrom", o.From, o.To, o.Resource.Big())
	case poco.ChangePolicy:
		to = o.Workerpool
		data, err = c.poolAPI.Pack("changePolicy", number(o.WorkerStakeRatio), number(o.SchedulerRewardRatio))
	case poco.MatchOrdersBoost:
		data, err = c.boost.Pack("matchOrdersBoost", orders(&o.Orders)...)
	case poco.SponsorMatchOrdersBoost:
		data, err = c.boost.Pack("sponsorMatchOrdersBoost", orders(&o.Orders)...)
	case poco.PushResultBoost:
		data, err = c.boost.Pack("pushResultBoost", o.Deal, number(o.Index), o.Results, o.ResultsCallback, o.Authorization, o.EnclaveChallenge, o.EnclaveSign)
	case poco.ClaimBoost:
		data, err = c.boost.Pack("claimBoost", o.Deal, number(o.Index))
	default:
		method, arguments := encodeHub(command)
		data, err = c.api.Pack(method, arguments...)
	}
	if err != nil {
		return call{}, fmt.Errorf("encoding %T: %w", command, err)
	}
	return call{to: to, data: data, value: value}, nil
}

// encodeHub returns the hub's function and arguments.
func encodeHub(command poco.Command) (string, []any) {
	switch o := command.(type) {
	case poco.Withdraw:
		return "withdraw", []any{number(o.Amount)}
	case poco.WithdrawTo:
		return "withdrawTo", []any{number(o.Amount), o.Target}
	case poco.TransferStake:
		return "transfer", []any{o.To, number(o.Amount)}
	case poco.Approve:
		return "approve", []any{o.Spender, number(o.Amount)}
	case poco.IncreaseAllowance:
		return "increaseAllowance", []any{o.Spender, number(o.Amount)}
	case poco.DecreaseAllowance:
		return "decreaseAllowance", []any{o.Spender, number(o.Amount)}
	case poco.TransferStakeFrom:
		return "transferFrom", []any{o.From, o.To, number(o.Amount)}
	case poco.AddCategory:
		return "createCategory", []any{o.Name, o.Description, number(o.WorkClockTimeRef)}
	case poco.MatchOrders:
		return "matchOrders", orders(&o.Orders)
	case poco.SponsorMatchOrders:
		return "sponsorMatchOrders", orders(&o.Orders)
	case poco.ManageOrder:
		return encodeManage(o)
	default:
		return encodeTask(command)
	}
}

func encodeTask(command poco.Command) (string, []any) {
	switch o := command.(type) {
	case poco.Initialize:
		return "initialize", []any{o.Deal, number(o.Index)}
	case poco.Contribute:
		return "contribute", []any{o.Task, o.ResultHash, o.ResultSeal, o.EnclaveChallenge, o.EnclaveSign, o.Authorization}
	case poco.ContributeAndFinalize:
		return "contributeAndFinalize", []any{o.Task, o.Digest, o.Results, o.ResultsCallback, o.EnclaveChallenge, o.EnclaveSign, o.Authorization}
	case poco.Reveal:
		return "reveal", []any{o.Task, o.Digest}
	case poco.Reopen:
		return "reopen", []any{o.Task}
	case poco.Finalize:
		return "finalize", []any{o.Task, o.Results, o.ResultsCallback}
	case poco.Claim:
		return "claim", []any{o.Task}
	case poco.InitializeArray:
		return "initializeArray", []any{words(o.Deals), numbers(o.Indices)}
	case poco.ClaimArray:
		return "claimArray", []any{words(o.Tasks)}
	case poco.InitializeAndClaimArray:
		return "initializeAndClaimArray", []any{words(o.Deals), numbers(o.Indices)}
	}
	return fmt.Sprintf("no call for %T", command), nil
}

// encodeDeposit returns the call of a deposit, whose form depends on the coin.
func (c *chain) encodeDeposit(command poco.Command) (data []byte, value *big.Int, err error) {
	native := c.token == common.Address{}
	arguments := func(amount poco.Amount, rest ...any) []any {
		if native {
			value = number(amount)
			return rest
		}
		return append([]any{number(amount)}, rest...)
	}
	switch o := command.(type) {
	case poco.Deposit:
		data, err = c.api.Pack("deposit", arguments(o.Amount)...)
	case poco.DepositFor:
		data, err = c.api.Pack("depositFor", arguments(o.Amount, o.Target)...)
	case poco.DepositForArray:
		value = number(o.Value)
		data, err = c.api.Pack("depositForArray", numbers(o.Amounts), o.Targets)
	}
	return data, value, err
}

func (c *chain) registryOf(kind poco.ResourceKind) common.Address {
	return map[poco.ResourceKind]common.Address{poco.App: c.apps, poco.Dataset: c.datasets, poco.Workerpool: c.pools}[kind]
}

// encodeRegister returns the call that creates or predicts a resource.
func (c *chain) encodeRegister(r poco.Resource, verb string) (to common.Address, data []byte, err error) {
	switch r.Kind {
	case poco.App:
		data, err = c.registry.Pack(verb+"App", r.Owner, r.Name, r.Type, r.Multiaddr, r.Checksum, r.MREnclave)
	case poco.Dataset:
		data, err = c.registry.Pack(verb+"Dataset", r.Owner, r.Name, r.Multiaddr, r.Checksum)
	default:
		data, err = c.registry.Pack(verb+"Workerpool", r.Owner, r.Name)
	}
	return c.registryOf(r.Kind), data, err
}

// predict is where a resource will be registered.
func (c *chain) predict(r poco.Resource) (common.Address, error) {
	to, data, err := c.encodeRegister(r, "predict")
	if err != nil {
		return common.Address{}, err
	}
	answer, err := c.view(to, data)
	return common.BytesToAddress(answer), err
}

// setBroker names the TEE broker, of which no event tells.
func (c *chain) setBroker(t *rapid.T, owner, broker common.Address) {
	data, err := c.api.Pack("setTeeBroker", broker)
	if err == nil {
		_, err = c.send(owner, c.hub, data, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func appOrder(o poco.AppOrder) bindings.IexecLibOrdersV5AppOrder {
	return bindings.IexecLibOrdersV5AppOrder{
		App: o.App, Appprice: number(o.Price), Volume: number(o.Volume), Tag: o.Tag, Datasetrestrict: o.DatasetRestrict,
		Workerpoolrestrict: o.WorkerpoolRestrict, Requesterrestrict: o.RequesterRestrict, Salt: o.Salt, Sign: o.Sign,
	}
}

func datasetOrder(o poco.DatasetOrder) bindings.IexecLibOrdersV5DatasetOrder {
	return bindings.IexecLibOrdersV5DatasetOrder{
		Dataset: o.Dataset, Datasetprice: number(o.Price), Volume: number(o.Volume), Tag: o.Tag, Apprestrict: o.AppRestrict,
		Workerpoolrestrict: o.WorkerpoolRestrict, Requesterrestrict: o.RequesterRestrict, Salt: o.Salt, Sign: o.Sign,
	}
}

func workerpoolOrder(o poco.WorkerpoolOrder) bindings.IexecLibOrdersV5WorkerpoolOrder {
	return bindings.IexecLibOrdersV5WorkerpoolOrder{
		Workerpool: o.Workerpool, Workerpoolprice: number(o.Price), Volume: number(o.Volume), Tag: o.Tag,
		Category: number(o.Category), Trust: number(o.Trust), Apprestrict: o.AppRestrict, Datasetrestrict: o.DatasetRestrict,
		Requesterrestrict: o.RequesterRestrict, Salt: o.Salt, Sign: o.Sign,
	}
}

func requestOrder(o poco.RequestOrder) bindings.IexecLibOrdersV5RequestOrder {
	return bindings.IexecLibOrdersV5RequestOrder{
		App: o.App, Appmaxprice: number(o.AppMaxPrice), Dataset: o.Dataset, Datasetmaxprice: number(o.DatasetMaxPrice),
		Workerpool: o.Workerpool, Workerpoolmaxprice: number(o.WorkerpoolMaxPrice), Requester: o.Requester, Volume: number(o.Volume),
		Tag: o.Tag, Category: number(o.Category), Trust: number(o.Trust), Beneficiary: o.Beneficiary, Callback: o.Callback,
		Params: o.Params, Salt: o.Salt, Sign: o.Sign,
	}
}

func orders(o *poco.Orders) []any {
	return []any{appOrder(o.App), datasetOrder(o.Dataset), workerpoolOrder(o.Workerpool), requestOrder(o.Request)}
}

func encodeManage(o poco.ManageOrder) (string, []any) {
	var operation uint8
	if o.Close {
		operation = 1
	}
	switch order := o.Order.(type) {
	case poco.AppOrder:
		return "manageAppOrder", []any{bindings.IexecLibOrdersV5AppOrderOperation{Order: appOrder(order), Operation: operation, Sign: o.Sign}}
	case poco.DatasetOrder:
		return "manageDatasetOrder", []any{bindings.IexecLibOrdersV5DatasetOrderOperation{Order: datasetOrder(order), Operation: operation, Sign: o.Sign}}
	case poco.WorkerpoolOrder:
		return "manageWorkerpoolOrder", []any{bindings.IexecLibOrdersV5WorkerpoolOrderOperation{Order: workerpoolOrder(order), Operation: operation, Sign: o.Sign}}
	case poco.RequestOrder:
		return "manageRequestOrder", []any{bindings.IexecLibOrdersV5RequestOrderOperation{Order: requestOrder(order), Operation: operation, Sign: o.Sign}}
	}
	return fmt.Sprintf("no call for %T", o.Order), nil
}
