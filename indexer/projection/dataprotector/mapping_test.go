package dataprotector_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"sort"
	"strings"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"assay/schema/assaypb"
)

// mapping computes the entities of a chain event by event, as a subgraph's handlers do: it
// loads an entity, edits its fields and saves it. It is the test's own reading of what the
// events mean.
type mapping struct {
	store  tables
	fields map[string]map[string]map[string]any // by kind and id
	names  map[string]string                    // of resources
	owners map[string]string
	isApp  map[string]bool
	block  *assaypb.Block
	event  *assaypb.Event
}

func newMapping() *mapping {
	return &mapping{store: tables{}, fields: map[string]map[string]map[string]any{}, names: map[string]string{}, owners: map[string]string{}, isApp: map[string]bool{}}
}

func (m *mapping) dump() string { return m.store.dump() }

func (m *mapping) load(kind, id string) map[string]any { return m.fields[kind][id] }

// save stores an entity in its table and, unless its kind never changes, its history.
func (m *mapping) save(kind, id string, fields map[string]any) {
	if m.fields[kind] == nil {
		m.fields[kind] = map[string]map[string]any{}
	}
	m.fields[kind][id] = fields
	copied := map[string]any{}
	for name, value := range fields {
		copied[name] = value
	}
	row := stored{text: spell(copied)}
	key := fmt.Sprintf("%s @%d", id, m.block.Number)
	m.store.put("dataprotector_"+kind, key, row)
	if !slices.Contains([]string{"collection_subscription", "rental", "sale", "consumption"}, kind) {
		m.store.put("dataprotector_"+kind+"_history", key, row)
	}
}

func (m *mapping) account(a []byte) string {
	id := hexutil.Encode(a)
	if m.load("account", id) == nil {
		m.save("account", id, map[string]any{})
	}
	return id
}

func dec(b []byte) string { return new(big.Int).SetBytes(b).String() }

func (m *mapping) play(block *assaypb.Block) {
	m.block = block
	// Owners are those after the block: contracts are asked at its end.
	for _, event := range block.Events {
		if e := event.GetResourceTransfer(); e != nil {
			id := hexutil.Encode(e.Resource)
			m.owners[id] = hexutil.Encode(e.To)
			m.isApp[id] = e.Kind == assaypb.ResourceKind_RESOURCE_KIND_APP
			if e.Body != nil {
				m.names[id] = e.Body.Name
			}
		}
	}
	for _, event := range block.Events {
		m.event = event
		m.handle()
	}
	for _, kind := range []string{"protected_data", "app"} { // who changed in this block has the owner after it
		for id, fields := range m.fields[kind] {
			if fields["owner"] != m.owners[id] {
				fields["owner"] = m.owners[id]
				m.save(kind, id, fields)
			}
		}
	}
}

func (m *mapping) made(more map[string]any) map[string]any {
	more["blockNumber"], more["transactionHash"] = m.block.Number, hexutil.Encode(m.event.TxHash)
	return more
}

func (m *mapping) id() string {
	return fmt.Sprintf("%s%d", hexutil.Encode(m.event.TxHash), m.event.LogIndex)
}

func (m *mapping) update(kind string, raw []byte, fields map[string]any) bool {
	id := hexutil.Encode(raw)
	now := m.load(kind, id)
	if now == nil {
		return false
	}
	for name, value := range fields {
		now[name] = value
	}
	m.save(kind, id, now)
	return true
}

func (m *mapping) handle() {
	switch b := m.event.Body.(type) {
	case *assaypb.Event_ResourceTransfer:
		id := hexutil.Encode(b.ResourceTransfer.Resource)
		for _, kind := range []string{"protected_data", "app"} {
			if now := m.load(kind, id); now != nil {
				m.account(b.ResourceTransfer.To)
				now["owner"] = m.owners[id]
				m.save(kind, id, now)
			}
		}
	case *assaypb.Event_DatasetSchema:
		m.schema(b.DatasetSchema)
	case *assaypb.Event_CollectionTransfer:
		id := dec(b.CollectionTransfer.Collection)
		now := m.load("collection", id)
		if now == nil {
			now = m.made(map[string]any{"creationTimestamp": m.block.Time, "subscriptionParams": nil})
		}
		now["owner"] = m.account(b.CollectionTransfer.To)
		m.save("collection", id, now)
	case *assaypb.Event_ProtectedDataTransfer:
		var collection any
		if id := dec(b.ProtectedDataTransfer.NewCollection); m.load("collection", id) != nil {
			collection = id
		}
		m.update("protected_data", b.ProtectedDataTransfer.ProtectedData, map[string]any{"collection": collection})
	case *assaypb.Event_ProtectedDataConsumed:
		e := b.ProtectedDataConsumed
		data := m.load("protected_data", hexutil.Encode(e.ProtectedData))
		if data == nil || data["collection"] == nil {
			return
		}
		m.save("consumption", m.id(), m.made(map[string]any{
			"dealId": hexutil.Encode(e.Deal), "protectedData": hexutil.Encode(e.ProtectedData), "collection": data["collection"],
			"mode": []string{"SUBSCRIPTION", "RENTING"}[e.Mode],
		}))
	case *assaypb.Event_NewSubscription:
		e := b.NewSubscription
		if m.load("collection", dec(e.Collection)) == nil {
			return
		}
		m.save("collection_subscription", m.id(), m.made(map[string]any{
			"collection": dec(e.Collection), "subscriber": m.account(e.Subscriber), "endDate": e.EndDate, "creationTimestamp": m.block.Time,
		}))
	case *assaypb.Event_NewSubscriptionParams:
		e := b.NewSubscriptionParams
		id := dec(e.Collection)
		if now := m.load("collection", id); now != nil {
			now["subscriptionParams"] = id
			m.save("collection", id, now)
			m.save("subscription_param", id, map[string]any{"price": dec(e.Price), "duration": e.Duration})
		}
	default:
		m.trade()
	}
}

func (m *mapping) trade() {
	switch b := m.event.Body.(type) {
	case *assaypb.Event_ProtectedDataAddedForSubscription:
		m.update("protected_data", b.ProtectedDataAddedForSubscription.ProtectedData, map[string]any{"isIncludedInSubscription": true})
	case *assaypb.Event_ProtectedDataRemovedFromSubscription:
		m.update("protected_data", b.ProtectedDataRemovedFromSubscription.ProtectedData, map[string]any{"isIncludedInSubscription": false})
	case *assaypb.Event_ProtectedDataAddedForRenting:
		e := b.ProtectedDataAddedForRenting
		id := hexutil.Encode(e.ProtectedData)
		if m.update("protected_data", e.ProtectedData, map[string]any{"isRentable": true, "rentalParams": id}) {
			m.save("rental_param", id, map[string]any{"price": dec(e.Price), "duration": e.Duration})
		}
	case *assaypb.Event_ProtectedDataRemovedFromRenting:
		m.update("protected_data", b.ProtectedDataRemovedFromRenting.ProtectedData, map[string]any{"isRentable": false, "rentalParams": nil})
	case *assaypb.Event_ProtectedDataAddedForSale:
		e := b.ProtectedDataAddedForSale
		id := hexutil.Encode(e.ProtectedData)
		if m.update("protected_data", e.ProtectedData, map[string]any{"isForSale": true, "saleParams": id}) {
			m.save("sale_param", id, map[string]any{"price": dec(e.Price)})
		}
	case *assaypb.Event_ProtectedDataRemovedFromSale:
		m.update("protected_data", b.ProtectedDataRemovedFromSale.ProtectedData, map[string]any{"isForSale": false, "saleParams": nil})
	case *assaypb.Event_NewRental:
		e := b.NewRental
		id := hexutil.Encode(e.ProtectedData)
		if m.load("collection", dec(e.Collection)) != nil && m.load("rental_param", id) != nil {
			m.save("rental", m.id(), m.made(map[string]any{
				"renter": m.account(e.Renter), "protectedData": id, "creationTimestamp": m.block.Time, "endDate": e.EndDate,
				"collection": dec(e.Collection), "rentalParams": id,
			}))
		}
	case *assaypb.Event_ProtectedDataSold:
		e := b.ProtectedDataSold
		id := hexutil.Encode(e.ProtectedData)
		if m.load("collection", dec(e.CollectionFrom)) != nil && m.load("sale_param", id) != nil {
			m.update("protected_data", e.ProtectedData, map[string]any{"isForSale": false})
			m.save("sale", m.id(), m.made(map[string]any{
				"buyer": m.account(e.To), "protectedData": id, "creationTimestamp": m.block.Time, "collection": dec(e.CollectionFrom), "saleParams": id,
			}))
		}
	case *assaypb.Event_WhitelistTransfer:
		m.save("add_only_app_whitelist", hexutil.Encode(b.WhitelistTransfer.Whitelist), map[string]any{"owner": m.account(b.WhitelistTransfer.To)})
	case *assaypb.Event_NewAppAddedToAddOnlyAppWhitelist:
		m.listed(b.NewAppAddedToAddOnlyAppWhitelist)
	}
}

func (m *mapping) listed(e *assaypb.NewAppAddedToAddOnlyAppWhitelist) {
	list, app := hexutil.Encode(e.Whitelist), hexutil.Encode(e.App)
	if m.load("add_only_app_whitelist", list) == nil || !m.isApp[app] {
		return
	}
	m.account(hexutil.MustDecode(m.owners[app]))
	now := m.load("app", app)
	if now == nil {
		now = map[string]any{"addOnlyAppWhitelists": []string{}}
	}
	if lists := now["addOnlyAppWhitelists"].([]string); !slices.Contains(lists, list) {
		now["addOnlyAppWhitelists"] = append(slices.Clone(lists), list)
	}
	now["owner"] = m.owners[app]
	m.save("app", app, now)
}

func (m *mapping) schema(e *assaypb.DatasetSchema) {
	id := hexutil.Encode(e.Dataset)
	owner, known := m.owners[id]
	if !known {
		return
	}
	m.account(hexutil.MustDecode(owner))
	now := m.load("protected_data", id)
	if now == nil {
		now = map[string]any{
			"collection": nil, "isIncludedInSubscription": false, "isRentable": false, "isForSale": false, "rentalParams": nil, "saleParams": nil,
		}
	}
	for name, value := range m.made(map[string]any{
		"owner": owner, "name": m.names[id], "jsonSchema": e.Schema, "multiaddr": "0x0102", "checksum": hexutil.Encode(make([]byte, 32)),
		"creationTimestamp": m.block.Time,
	}) {
		now[name] = value
	}
	paths := map[string]string{}
	var whole any
	if json.Unmarshal([]byte(e.Schema), &whole) == nil {
		walk(whole, "", paths)
	}
	ids := []string{}
	for path, kind := range paths {
		ids = append(ids, path+":"+kind)
		if m.load("schema_entry", path+":"+kind) == nil {
			m.save("schema_entry", path+":"+kind, map[string]any{"path": path, "type": kind})
		}
	}
	sort.Strings(ids)
	now["schema"] = ids
	m.save("protected_data", id, now)
}

// walk collects what the schemas of this test name.
func walk(value any, path string, out map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if key == "" || strings.Contains(key, ".") {
				continue
			}
			walk(inner, strings.TrimPrefix(path+"."+key, "."), out)
		}
	case string:
		if path != "" && value != "colour" && value != "x" {
			out[path] = value
		}
	}
}
