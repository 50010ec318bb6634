package contracts

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// The signatures of DataProtector's events, as iExec's own subgraph subscribes to them.
func TestDataProtectorSignatures(t *testing.T) {
	known := map[string]bool{newApp.Sig: true}
	for _, rules := range []map[common.Hash]rule{dataProtectorRules, sharingRules, whitelistRegistryRules} {
		for _, rule := range rules {
			known[rule.event.Sig] = true
		}
	}
	for _, want := range []string{
		"DatasetSchema(address,string)", "Transfer(address,address,uint256)",
		"ProtectedDataTransfer(address,uint256,uint256,address)", "ProtectedDataConsumed(bytes32,address,uint8)",
		"NewSubscription(uint256,address,uint48)", "NewSubscriptionParams(uint256,(uint72,uint40))",
		"ProtectedDataAddedForSubscription(uint256,address)", "ProtectedDataRemovedFromSubscription(uint256,address)",
		"NewRental(uint256,address,address,uint48)", "ProtectedDataAddedForRenting(uint256,address,(uint72,uint40))",
		"ProtectedDataRemovedFromRenting(uint256,address)", "ProtectedDataSold(uint256,address,address)",
		"ProtectedDataAddedForSale(uint256,address,uint72)", "ProtectedDataRemovedFromSale(uint256,address)",
		"NewAppAddedToAddOnlyAppWhitelist(address)",
	} {
		if !known[want] {
			t.Errorf("%s is not read", want)
		}
		delete(known, want)
	}
	for sig := range known {
		t.Errorf("%s is read, and is no event of DataProtector", sig)
	}
}

// A word that holds more than its type has room for is not what the contract emits.
func TestOverfullWordsAreUnknown(t *testing.T) {
	for _, rule := range sharingRules {
		for at := range rule.event.Inputs.NonIndexed() {
			log := logOf(t, rule.event, testDecoder.Sharing)
			kind := flat(rule.event.Inputs.NonIndexed())[at]
			if kind.Size == 256 || kind.Size == 32 { // a whole word
				continue
			}
			log.Data[at*common.HashLength] = 1
			if event, err := testDecoder.Decode(log); err != nil || event.GetUnknown() == nil {
				t.Errorf("argument %d of %s: %v, %v", at, rule.event.Name, event, err)
			}
		}
	}
}

// Only contracts that can be told from others may roam: without a registry nobody's word
// is taken.
func TestRoamingNeedsARegistry(t *testing.T) {
	if topics := (Decoder{Hub: common.Address{1}}).Roaming(); len(topics) != 0 {
		t.Errorf("topics %v of a chain without registries", topics)
	}
	if topics := testDecoder.Roaming(); topics[WhitelistTopic] != testDecoder.WhitelistRegistry || topics[PolicyUpdateTopic] != testDecoder.WorkerpoolRegistry {
		t.Errorf("topics %v", topics)
	}
}

func FuzzDataProtectorLogs(f *testing.F) {
	f.Add(uint8(0), []byte{}, uint8(1))
	f.Fuzz(func(t *testing.T, which uint8, data []byte, extra uint8) {
		rules := []map[common.Hash]rule{dataProtectorRules, sharingRules, whitelistRegistryRules}[which%3]
		emitter := []common.Address{testDecoder.DataProtector, testDecoder.Sharing, testDecoder.WhitelistRegistry}[which%3]
		for topic := range rules {
			log := types.Log{Address: emitter, Topics: append([]common.Hash{topic}, make([]common.Hash, extra%4)...), Data: data}
			if _, err := testDecoder.Decode(log); err != nil {
				t.Fatal(err)
			}
		}
	})
}
