package contracts

import (
	"math/big"
	"reflect"
	"testing"

	"assay/contracts/bindings"
	"assay/schema/assaypb"

	"github.com/ethereum/go-ethereum/common"
)

var broadcasts = map[assaypb.OrderKind]struct {
	event  string
	packed any
	order  Order
}{
	assaypb.OrderKind_ORDER_KIND_APP:        {"BroadcastAppOrder", bindings.IexecLibOrdersV5AppOrder(anAppOrder), anAppOrder},
	assaypb.OrderKind_ORDER_KIND_DATASET:    {"BroadcastDatasetOrder", bindings.IexecLibOrdersV5DatasetOrder(aDatasetOrder), aDatasetOrder},
	assaypb.OrderKind_ORDER_KIND_WORKERPOOL: {"BroadcastWorkerpoolOrder", bindings.IexecLibOrdersV5WorkerpoolOrder(aWorkerpoolOrder), aWorkerpoolOrder},
	assaypb.OrderKind_ORDER_KIND_REQUEST:    {"BroadcastRequestOrder", bindings.IexecLibOrdersV5RequestOrder(aRequestOrder), aRequestOrder},
}

var (
	anAppOrder = AppOrder{App: common.Address{1}, Appprice: big.NewInt(2), Volume: big.NewInt(3), Tag: [32]byte{4},
		Datasetrestrict: common.Address{5}, Workerpoolrestrict: common.Address{6}, Requesterrestrict: common.Address{7}, Salt: [32]byte{8}, Sign: []byte{9}}
	aDatasetOrder = DatasetOrder{Dataset: common.Address{1}, Datasetprice: big.NewInt(2), Volume: big.NewInt(3), Tag: [32]byte{4},
		Apprestrict: common.Address{5}, Workerpoolrestrict: common.Address{6}, Requesterrestrict: common.Address{7}, Salt: [32]byte{8}, Sign: []byte{9}}
	aWorkerpoolOrder = WorkerpoolOrder{Workerpool: common.Address{1}, Workerpoolprice: big.NewInt(2), Volume: big.NewInt(3), Tag: [32]byte{4},
		Category: big.NewInt(5), Trust: big.NewInt(6), Apprestrict: common.Address{7}, Datasetrestrict: common.Address{8},
		Requesterrestrict: common.Address{9}, Salt: [32]byte{10}, Sign: []byte{11}}
	aRequestOrder = RequestOrder{App: common.Address{1}, Appmaxprice: big.NewInt(2), Dataset: common.Address{3}, Datasetmaxprice: big.NewInt(4),
		Workerpool: common.Address{5}, Workerpoolmaxprice: big.NewInt(6), Requester: common.Address{7}, Volume: big.NewInt(8), Tag: [32]byte{9},
		Category: big.NewInt(10), Trust: big.NewInt(11), Beneficiary: common.Address{12}, Callback: common.Address{13}, Params: "{}",
		Salt: [32]byte{14}, Sign: []byte{15}}
)

func packBroadcast(t testing.TB, kind assaypb.OrderKind) []byte {
	data, err := hubABI.Events[broadcasts[kind].event].Inputs.Pack(broadcasts[kind].packed)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReadBroadcast(t *testing.T) {
	for kind, c := range broadcasts {
		got, err := ReadBroadcast(&assaypb.BroadcastOrder{Kind: kind, Data: packBroadcast(t, kind)})
		if err != nil || !reflect.DeepEqual(got, c.order) {
			t.Errorf("%s: %+v (%v), want %+v", c.event, got, err, c.order)
		}
	}
	for name, message := range map[string]*assaypb.BroadcastOrder{
		"nothing":   nil,
		"no data":   {Kind: assaypb.OrderKind_ORDER_KIND_APP},
		"half":      {Kind: assaypb.OrderKind_ORDER_KIND_APP, Data: packBroadcast(t, assaypb.OrderKind_ORDER_KIND_APP)[:200]},
		"no kind":   {Data: packBroadcast(t, assaypb.OrderKind_ORDER_KIND_APP)},
		"new kinds": {Kind: 9, Data: packBroadcast(t, assaypb.OrderKind_ORDER_KIND_APP)},
	} {
		if order, err := ReadBroadcast(message); err == nil {
			t.Errorf("%s was read as %+v", name, order)
		}
	}
}

// FuzzReadBroadcast says that whatever anybody broadcasts is an order, with a hash, or an
// error.
func FuzzReadBroadcast(f *testing.F) {
	for kind := range broadcasts {
		f.Add(int32(kind), packBroadcast(f, kind))
	}
	f.Fuzz(func(t *testing.T, kind int32, data []byte) {
		order, err := ReadBroadcast(&assaypb.BroadcastOrder{Kind: assaypb.OrderKind(kind), Data: data})
		if err == nil && order.Hash(Domain{ChainID: 1}) == (common.Hash{}) {
			t.Error("an order without a hash")
		}
	})
}
