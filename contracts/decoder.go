package contracts

import (
	"fmt"
	"maps"
	"math"

	"assay/schema/assaypb"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Decoder reads the logs of one PoCo deployment.
type Decoder struct {
	Hub                common.Address // the PoCo contract
	AppRegistry        common.Address
	DatasetRegistry    common.Address
	WorkerpoolRegistry common.Address

	// DataProtector's contracts, where the chain has them.
	DataProtector     common.Address
	Sharing           common.Address
	WhitelistRegistry common.Address
}

// Watched are the contracts whose every log is read: all that are named.
func (d Decoder) Watched() (named []common.Address) {
	for _, address := range []common.Address{d.Hub, d.AppRegistry, d.DatasetRegistry, d.WorkerpoolRegistry, d.DataProtector, d.Sharing, d.WhitelistRegistry} {
		if address != (common.Address{}) {
			named = append(named, address)
		}
	}
	return named
}

// Roaming are the first topics of events that contracts emit which are born at any time,
// each with the registry of these contracts.
func (d Decoder) Roaming() map[common.Hash]common.Address {
	topics := map[common.Hash]common.Address{PolicyUpdateTopic: d.WorkerpoolRegistry, WhitelistTopic: d.WhitelistRegistry}
	maps.DeleteFunc(topics, func(_ common.Hash, registry common.Address) bool { return registry == (common.Address{}) })
	return topics
}

// Decode turns a log into an event. A log that it does not know, or whose topics or
// data are not what the event declares, becomes an UnknownEvent. PolicyUpdate is taken
// from any contract, since every workerpool is one, and so is
// NewAppAddedToAddOnlyAppWhitelist of whitelists: who folds them must ask whether the
// emitter is registered. It fails only for a log that is in no
// canonical block (removed) or has no sane index.
func (d Decoder) Decode(log types.Log) (*assaypb.Event, error) {
	if log.Removed {
		return nil, fmt.Errorf("log %d of block %s was removed by a reorg", log.Index, log.BlockHash)
	}
	if uint64(log.Index) > math.MaxUint32 || uint64(log.TxIndex) > math.MaxUint32 {
		return nil, fmt.Errorf("log index %d, transaction index %d: out of range", log.Index, log.TxIndex)
	}
	event := &assaypb.Event{
		LogIndex: uint32(log.Index),
		TxHash:   log.TxHash.Bytes(),
		TxIndex:  uint32(log.TxIndex),
		Emitter:  log.Address.Bytes(),
	}
	if !d.decode(&log, event) {
		event.Body = unknown(&log)
	}
	return event, nil
}

// decode fills the event's body and tells whether it could.
func (d Decoder) decode(log *types.Log, event *assaypb.Event) bool {
	if len(log.Topics) == 0 {
		return false
	}
	rule, known := d.rules(log.Address)[log.Topics[0]]
	return known && fits(rule.event, log) && rule.decode(log, event) == nil
}

func (d Decoder) rules(emitter common.Address) map[common.Hash]rule {
	switch emitter {
	case d.Hub:
		return hubRules
	case d.AppRegistry:
		return appRegistryRules
	case d.DatasetRegistry:
		return datasetRegistryRules
	case d.WorkerpoolRegistry:
		return workerpoolRegistryRules
	case d.DataProtector:
		return dataProtectorRules
	case d.Sharing:
		return sharingRules
	case d.WhitelistRegistry:
		return whitelistRegistryRules
	default:
		return roamingRules
	}
}

// rule says how one event is read.
type rule struct {
	event  abi.Event
	decode func(*types.Log, *assaypb.Event) error
}

// fits tells whether a log has the shape its event declares: the generated decoders
// leave fields unset where data is missing.
func fits(event abi.Event, log *types.Log) bool {
	plain := event.Inputs.NonIndexed()
	indexed := len(event.Inputs) - len(plain)
	return len(log.Topics) == 1+indexed && (len(log.Data) > 0) == (len(plain) > 0)
}

func unknown(log *types.Log) *assaypb.Event_Unknown {
	topics := make([][]byte, len(log.Topics))
	for i, topic := range log.Topics {
		topics[i] = topic.Bytes()
	}
	return &assaypb.Event_Unknown{Unknown: &assaypb.UnknownEvent{Topics: topics, Data: common.CopyBytes(log.Data)}}
}
