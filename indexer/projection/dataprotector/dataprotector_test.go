package dataprotector_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"assay/indexer/projection"
	"assay/indexer/projection/projectiontest"
	"assay/indexer/projection/table"
	"assay/schema/assaypb"
	"assay/schema/chains"
)

var preset = chains.Preset{
	Name: "test", ChainID: 7, Hub: common.Address{1}.Hex(), AppRegistry: common.Address{2}.Hex(),
	DatasetRegistry: common.Address{3}.Hex(), WorkerpoolRegistry: common.Address{4}.Hex(),
	DataProtector: chains.Sharing{Core: common.Address{5}.Hex(), Sharing: common.Address{6}.Hex(), WhitelistRegistry: common.Address{7}.Hex()},
	Eras:          []chains.Era{{}},
}

// TestRowsAreTheMapping: after any forks, every table and every history is what a mapping
// as graph-node has it computes from the final chain alone.
func TestRowsAreTheMapping(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := &chain{random: rand.New(rand.NewSource(rapid.Int64().Draw(rt, "seed")))}
		for range rapid.IntRange(1, 60).Draw(rt, "blocks") {
			if depth := rapid.IntRange(-9, 6).Draw(rt, "depth"); depth > 0 {
				c.fork(depth)
			}
			c.grow(rapid.IntRange(0, 12).Draw(rt, "events"))
			if rapid.Bool().Draw(rt, "mark") {
				c.mark(rapid.Uint64Range(0, 8).Draw(rt, "finality"))
			}
		}
		p, ts := projection.New(preset), tables{}
		for _, record := range c.records {
			rows, err := p.Apply(record)
			if err != nil {
				rt.Fatal(err)
			}
			ts.write(rows.Tables())
		}
		m := newMapping()
		for _, block := range c.blocks {
			m.play(block)
		}
		got, want := ts.dump(), m.dump()
		if got != want {
			rt.Fatalf("the fold has (+), the mapping has (-):\n%s", diff(got, want))
		}
	})
}

// TestAShelfChangesNothing is projection's test of that name.
func TestAShelfChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := &chain{random: rand.New(rand.NewSource(rapid.Int64().Draw(rt, "seed")))}
		for range rapid.IntRange(1, 60).Draw(rt, "blocks") {
			c.fork(c.random.Intn(4))
			c.grow(8)
			c.mark(uint64(c.random.Intn(9)))
		}
		if err := projectiontest.Shelved(preset, c.records, c.random.Intn); err != nil {
			rt.Fatal(err)
		}
	})
}

// chain makes blocks of random events of a few people, resources and collections.
type chain struct {
	random  *rand.Rand
	records []*assaypb.ChainRecord
	blocks  []*assaypb.Block
	final   uint64
	forks   byte
	owners  map[string][]byte // of resources, as of the newest block
	past    []map[string][]byte
}

func (c *chain) append(record *assaypb.ChainRecord) {
	record.Sequence, record.ChainId = uint64(len(c.records)), preset.ChainID
	c.records = append(c.records, record)
}

func (c *chain) fork(depth int) {
	for ; depth > 0 && len(c.blocks) > 0 && c.blocks[len(c.blocks)-1].Number > c.final; depth-- {
		last := len(c.blocks) - 1
		block := c.blocks[last]
		c.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Retraction{Retraction: &assaypb.Retraction{Number: block.Number, Hash: block.Hash}}})
		c.blocks, c.owners, c.past = c.blocks[:last], c.past[last], c.past[:last]
	}
	c.forks++
}

func (c *chain) mark(finality uint64) {
	if len(c.blocks) == 0 {
		return
	}
	head := c.blocks[len(c.blocks)-1]
	c.final = max(c.final, head.Number-min(head.Number, finality))
	c.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{
		HeadNumber: head.Number, HeadHash: head.Hash, HeadTime: head.Time, FinalizedNumber: c.final, FinalizedHash: head.Hash,
	}}})
}

func (c *chain) grow(events int) {
	number, parent := uint64(1), make([]byte, 32)
	if len(c.blocks) > 0 {
		head := c.blocks[len(c.blocks)-1]
		number, parent = head.Number+1, head.Hash
	}
	c.past = append(c.past, maps.Clone(c.owners))
	block := &assaypb.Block{Number: number, Time: 1_700_000_000 + number, Hash: common.BigToHash(new(big.Int).SetUint64(number<<8 + uint64(c.forks))).Bytes(), ParentHash: parent}
	for i := range events {
		block.Events = append(block.Events, c.event(number, uint32(3*i)))
	}
	c.blocks = append(c.blocks, block)
	c.append(&assaypb.ChainRecord{Body: &assaypb.ChainRecord_Block{Block: block}})
}

func addr(kind, n int) []byte   { return common.Address{18: byte(kind), 19: byte(n)}.Bytes() }
func (c *chain) person() []byte { return addr(1, 1+c.random.Intn(5)) }
func (c *chain) data() []byte   { return addr(2, c.random.Intn(5)) }
func (c *chain) app() []byte    { return addr(3, c.random.Intn(3)) }
func (c *chain) list() []byte   { return addr(4, c.random.Intn(3)) }
func (c *chain) token() []byte  { return new(big.Int).SetInt64(int64(c.random.Intn(4))).Bytes() }
func (c *chain) price() []byte  { return big.NewInt(int64(c.random.Intn(1000))).Bytes() }
func (c *chain) days() uint64   { return uint64(c.random.Intn(9)) * 86400 }

var schemas = []string{
	`{"email":"string","deep":{"x":"bool","none":{},"list":["string"]},"a.b":"string","":"string","odd":"colour"}`,
	`{"photo":"image/png","email":"string"}`, `1`, `[]`, `"x"`, `{`, ``, `{"n":null,"x":{"y":{"z":"f64"}}}`,
}

// transfer hands a resource over, or registers it.
func (c *chain) transfer(kind assaypb.ResourceKind, resource []byte) *assaypb.ResourceTransfer {
	if c.owners == nil {
		c.owners = map[string][]byte{}
	}
	e := &assaypb.ResourceTransfer{Kind: kind, From: make([]byte, 20), To: c.person(), Resource: resource}
	if owner, known := c.owners[string(resource)]; known {
		e.From = owner
	} else {
		e.Body = &assaypb.Resource{Name: fmt.Sprintf("name of %x", resource), Multiaddr: []byte{1, 2}, Checksum: make([]byte, 32)}
	}
	c.owners[string(resource)] = e.To
	return e
}

func (c *chain) event(number uint64, index uint32) *assaypb.Event {
	e := &assaypb.Event{LogIndex: index, TxHash: common.BigToHash(new(big.Int).SetUint64(number<<16 + uint64(index/6))).Bytes(), Emitter: make([]byte, 20)}
	switch c.random.Intn(18) {
	case 0:
		e.Body = &assaypb.Event_ResourceTransfer{ResourceTransfer: c.transfer(assaypb.ResourceKind_RESOURCE_KIND_DATASET, c.data())}
	case 1:
		e.Body = &assaypb.Event_ResourceTransfer{ResourceTransfer: c.transfer(assaypb.ResourceKind_RESOURCE_KIND_APP, c.app())}
	case 2, 3:
		e.Body = &assaypb.Event_DatasetSchema{DatasetSchema: &assaypb.DatasetSchema{Dataset: c.data(), Schema: schemas[c.random.Intn(len(schemas))]}}
	case 4:
		e.Body = &assaypb.Event_CollectionTransfer{CollectionTransfer: &assaypb.CollectionTransfer{From: c.person(), To: c.person(), Collection: c.token()}}
	case 5, 6:
		e.Body = &assaypb.Event_ProtectedDataTransfer{ProtectedDataTransfer: &assaypb.ProtectedDataTransfer{ProtectedData: c.data(), NewCollection: c.token(), OldCollection: c.token(), AppWhitelist: c.list()}}
	case 7:
		e.Body = &assaypb.Event_ProtectedDataConsumed{ProtectedDataConsumed: &assaypb.ProtectedDataConsumed{Deal: make([]byte, 32), ProtectedData: c.data(), Mode: uint32(c.random.Intn(2))}}
	case 8:
		e.Body = &assaypb.Event_NewSubscription{NewSubscription: &assaypb.NewSubscription{Collection: c.token(), Subscriber: c.person(), EndDate: c.days()}}
	case 9:
		e.Body = &assaypb.Event_NewSubscriptionParams{NewSubscriptionParams: &assaypb.NewSubscriptionParams{Collection: c.token(), Price: c.price(), Duration: c.days()}}
	case 10:
		e.Body = &assaypb.Event_ProtectedDataAddedForSubscription{ProtectedDataAddedForSubscription: &assaypb.ProtectedDataAddedForSubscription{Collection: c.token(), ProtectedData: c.data()}}
	case 11:
		e.Body = &assaypb.Event_ProtectedDataRemovedFromSubscription{ProtectedDataRemovedFromSubscription: &assaypb.ProtectedDataRemovedFromSubscription{Collection: c.token(), ProtectedData: c.data()}}
	default:
		c.trade(e)
	}
	return e
}

func (c *chain) trade(e *assaypb.Event) {
	switch c.random.Intn(8) {
	case 0:
		e.Body = &assaypb.Event_NewRental{NewRental: &assaypb.NewRental{Collection: c.token(), ProtectedData: c.data(), Renter: c.person(), EndDate: c.days()}}
	case 1:
		e.Body = &assaypb.Event_ProtectedDataAddedForRenting{ProtectedDataAddedForRenting: &assaypb.ProtectedDataAddedForRenting{Collection: c.token(), ProtectedData: c.data(), Price: c.price(), Duration: c.days()}}
	case 2:
		e.Body = &assaypb.Event_ProtectedDataRemovedFromRenting{ProtectedDataRemovedFromRenting: &assaypb.ProtectedDataRemovedFromRenting{Collection: c.token(), ProtectedData: c.data()}}
	case 3:
		e.Body = &assaypb.Event_ProtectedDataSold{ProtectedDataSold: &assaypb.ProtectedDataSold{CollectionFrom: c.token(), To: c.person(), ProtectedData: c.data()}}
	case 4:
		e.Body = &assaypb.Event_ProtectedDataAddedForSale{ProtectedDataAddedForSale: &assaypb.ProtectedDataAddedForSale{Collection: c.token(), ProtectedData: c.data(), Price: c.price()}}
	case 5:
		e.Body = &assaypb.Event_ProtectedDataRemovedFromSale{ProtectedDataRemovedFromSale: &assaypb.ProtectedDataRemovedFromSale{Collection: c.token(), ProtectedData: c.data()}}
	case 6:
		e.Body = &assaypb.Event_WhitelistTransfer{WhitelistTransfer: &assaypb.WhitelistTransfer{From: c.person(), To: c.person(), Whitelist: c.list()}}
	case 7:
		e.Body = &assaypb.Event_NewAppAddedToAddOnlyAppWhitelist{NewAppAddedToAddOnlyAppWhitelist: &assaypb.NewAppAddedToAddOnlyAppWhitelist{Whitelist: c.list(), App: c.app()}}
	}
}

// tables is a naive ClickHouse: of each key the row with the highest version counts, and what
// is inserted goes into the history, too, where there is one.
type tables map[string]map[string]stored

type stored struct {
	version uint64
	deleted bool
	text    string
}

func (ts tables) write(rows []table.Table) {
	histories := map[string]bool{}
	for _, t := range projection.Schema() {
		if name, is := strings.CutSuffix(t.Name, "_history"); is {
			histories[name] = true
		}
	}
	for _, t := range rows {
		if !strings.HasPrefix(t.Name, "dataprotector_") {
			continue
		}
		for i := range t.Len() {
			key, row := read(t.Row(i))
			ts.put(t.Name, key, row)
			if histories[t.Name] {
				ts.put(t.Name+"_history", key, row)
			}
		}
	}
}

func (ts tables) put(name, key string, row stored) {
	if ts[name] == nil {
		ts[name] = map[string]stored{}
	}
	if id, block, _ := strings.Cut(key, " @"); !strings.HasSuffix(name, "_history") {
		key = id
		row.text += " @" + block
	}
	if old, there := ts[name][key]; !there || old.version <= row.version {
		ts[name][key] = row
	}
}

// read returns a row's key and its fields in the order of their names.
func read(pointer any) (key string, row stored) {
	v := reflect.ValueOf(pointer).Elem()
	fields := map[string]any{}
	for i := range v.NumField() {
		fields[v.Type().Field(i).Tag.Get("ch")] = v.Field(i).Interface()
	}
	key = fmt.Sprintf("%s @%d", fields["id"], fields["block_number"])
	row = stored{version: fields["version"].(uint64), deleted: fields["deleted"].(uint8) == 1}
	for _, name := range []string{"id", "chain", "block_number", "version", "deleted"} {
		delete(fields, name)
	}
	row.text = spell(fields)
	return key, row
}

// spell writes numbers as texts, so that it does not matter of which type they are.
func spell(fields map[string]any) string {
	for name, value := range fields {
		switch value := value.(type) {
		case uint64, *big.Int:
			fields[name] = fmt.Sprint(value)
		case []string:
			if len(value) == 0 {
				fields[name] = []string{}
			}
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (ts tables) dump() string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(ts)) {
		for _, key := range slices.Sorted(maps.Keys(ts[name])) {
			if row := ts[name][key]; !row.deleted {
				fmt.Fprintf(&out, "%s %s %s\n", name, key, row.text)
			}
		}
	}
	return out.String()
}

func diff(got, want string) string {
	var out strings.Builder
	for sign, lines := range map[string][2]string{"+ ": {got, want}, "- ": {want, got}} {
		others := strings.Split(lines[1], "\n")
		for _, line := range strings.Split(lines[0], "\n") {
			if !slices.Contains(others, line) && out.Len() < 4000 {
				out.WriteString(sign + line + "\n")
			}
		}
	}
	return out.String()
}
