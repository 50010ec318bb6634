package referencetest

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Choose picks a number in [0, n).
type Choose func(n int) int

// Grower fills a world with random entities: nulls, ties, large numbers, unusual texts, and
// references that lead nowhere where a field may be null.
type Grower struct {
	world  *World
	choose Choose
	ids    map[string][]string // that exist, by type
	free   map[string][]string // that a single derived field may still lead to, by type.field
}

// NewGrower makes a grower of a world.
func NewGrower(w *World, choose Choose) *Grower {
	return &Grower{world: w, choose: choose, ids: map[string][]string{}, free: map[string][]string{}}
}

// Grow adds a block: up to that many new entities of each type, at least one of each in the
// first block, and changes of old ones.
func (g *Grower) Grow(most int) {
	block := g.block()
	g.world.Add(block)
	old := map[string][]string{}
	created := map[string][]string{}
	for _, name := range g.world.Definition.Names {
		old[name] = slices.Clone(g.ids[name])
	}
	for _, name := range g.entityNames() {
		count := g.choose(most + 1)
		if len(old[name]) == 0 {
			count = most
		}
		for range g.covered(name, count, created) {
			created[name] = append(created[name], g.newID(name, block))
		}
		g.born(name, created[name])
	}
	for _, name := range g.entityNames() {
		for _, id := range created[name] {
			g.world.Put(name, id, g.state(name, nil))
		}
		if !g.world.Definition.Types[name].Immutable && len(old[name]) > 0 {
			g.change(name, old[name])
		}
	}
}

// Undo takes back the newest blocks.
func (g *Grower) Undo(blocks int) {
	kept := g.world.Blocks[len(g.world.Blocks)-1-blocks]
	g.world.Fork(kept.Number)
	for name, ids := range g.ids {
		g.ids[name] = slices.DeleteFunc(ids, func(id string) bool { return len(g.world.entities[name][id]) == 0 })
	}
	clear(g.free) // what was taken by blocks that are gone stays unused
}

func (g *Grower) change(name string, old []string) {
	for range 2 {
		id := old[g.choose(len(old))]
		versions := g.world.entities[name][id]
		g.world.Put(name, id, g.state(name, versions[len(versions)-1].state))
	}
}

func (g *Grower) entityNames() []string {
	return slices.DeleteFunc(slices.Clone(g.world.Definition.Names), func(n string) bool { return g.world.Definition.Types[n].Interface })
}

func (g *Grower) block() Block {
	b := Block{Number: 7, Time: 1_700_000_000, Hash: g.hash(), Parent: "0x" + strings.Repeat("0", 64)}
	if n := len(g.world.Blocks); n > 0 {
		head := g.world.Blocks[n-1]
		b.Number, b.Time, b.Parent = head.Number+1+uint64(g.choose(3)), head.Time+uint64(g.choose(2)), head.Hash
	}
	return b
}

func (g *Grower) hash() string {
	var text strings.Builder
	for range 64 {
		fmt.Fprintf(&text, "%x", g.choose(16))
	}
	return "0x" + text.String()
}

// covered bounds how many entities are made by how many can lead to them, where each needs
// one: a bulk its deal.
func (g *Grower) covered(name string, count int, created map[string][]string) int {
	for _, f := range g.world.Definition.Types[name].Fields {
		if f.DerivedFrom != "" && !f.List && f.NonNull {
			count = min(count, len(created[f.Type]))
		}
	}
	return count
}

// newID makes ids as the subgraph's: events count in their block, over all types.
func (g *Grower) newID(name string, block Block) string {
	t := g.world.Definition.Types[name]
	id := g.hash()
	switch {
	case slices.ContainsFunc(t.Implements, func(i string) bool { return strings.HasSuffix(i, "Event") }):
		total := 0
		for _, ids := range g.ids {
			total += len(ids)
		}
		id = fmt.Sprintf("%d-%d", block.Number, total)
	case name == "Category":
		id = fmt.Sprint(len(g.ids[name]))
	case g.choose(2) == 0:
		id = id[:42]
	}
	g.ids[name] = append(g.ids[name], id)
	return id
}

// born notes new entities to which single derived fields can lead.
func (g *Grower) born(name string, ids []string) {
	for _, f := range g.world.Definition.Types[name].Fields {
		if f.DerivedFrom != "" && !f.List {
			key := f.Type + "." + f.DerivedFrom
			g.free[key] = append(g.free[key], ids...)
		}
	}
}

// unique says whether a single derived field leads here by a field.
func (g *Grower) unique(name string, f Field) bool {
	target := g.world.Definition.Types[f.Type]
	return target != nil && slices.ContainsFunc(target.Fields, func(d Field) bool {
		return d.Type == name && d.DerivedFrom == f.Name && !d.List
	})
}

// state makes an entity's fields; half of them stay as they were.
func (g *Grower) state(name string, before State) State {
	state := State{}
	for _, f := range g.world.Definition.Types[name].Fields {
		switch {
		case f.DerivedFrom != "" || f.Name == "id":
		case g.unique(name, f) && before != nil:
			state[f.Name] = before[f.Name]
		case g.unique(name, f):
			state[f.Name] = g.take(name + "." + f.Name)
		case before != nil && g.choose(2) == 0:
			state[f.Name] = before[f.Name]
		default:
			state[f.Name] = g.value(f)
		}
	}
	return state
}

// take hands out an entity that nothing leads to yet; nil: there is none.
func (g *Grower) take(key string) any {
	if len(g.free[key]) == 0 {
		return nil
	}
	id := g.free[key][0]
	g.free[key] = g.free[key][1:]
	return id
}

func (g *Grower) value(f Field) any {
	if !f.NonNull && g.choose(4) == 0 {
		return nil
	}
	if g.world.Definition.refers(f) {
		return g.reference(f)
	}
	return g.world.Definition.scalar(f, g.choose)
}

// zeroID is what a reference to nothing holds on chain.
var zeroID = "0x" + strings.Repeat("0", 40)

func (g *Grower) reference(f Field) any {
	var ids []string
	for _, e := range g.world.Definition.Entities(g.world.Definition.Types[f.Type]) {
		ids = append(ids, g.ids[e.Name]...)
	}
	pick := func() string { return ids[g.choose(len(ids))] }
	if f.List {
		list := []string{}
		for range g.choose(5) {
			if id := pick(); !slices.Contains(list, id) {
				list = append(list, id)
			}
		}
		return list
	}
	if !f.NonNull && g.choose(8) == 0 {
		return zeroID
	}
	return pick()
}

var texts = []string{
	"", "a", "A", "Ant", "ANT", "ant farm", "b%c", "%", "_", "a_b", `back\slash`, `quote'"quote`, "``", "$x{y:String}", "é", "日本語", "line\nbreak",
	"tab\tstop", `{"iexec_args":"1"}`, "null", "0x", "0xab", "\x01", "🦙", "-- ", "; DROP TABLE", "__exception__\r\n",
}

var bytesTexts = []string{"0x", "0x00", "0x12", "0x1234", "0x2341", "0xff", "0x00ff", "0x" + strings.Repeat("ab", 32), "0x" + strings.Repeat("12", 20)}

// scalar makes a value of a field that is no reference.
func (d *Definition) scalar(f Field, choose Choose) any {
	if values := d.Enums[f.Type]; values != nil {
		return values[choose(len(values))]
	}
	switch f.Type {
	case "Boolean":
		return choose(2) == 0
	case "Int":
		return []int64{0, 1, 1_700_000_000, 1<<31 - 1}[choose(4)]
	case "BigInt", "BigDecimal":
		if f.Column == "UInt64" {
			return new(big.Int).SetUint64([]uint64{0, 1, 2, 10, 1_700_000_000, 1_700_000_001, 1<<64 - 1}[choose(7)])
		}
		return large(choose)
	case "Bytes":
		return bytesTexts[choose(len(bytesTexts))]
	default:
		return texts[choose(len(texts))]
	}
}

func large(choose Choose) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(int64(1+choose(9))), uint([]int{0, 0, 1, 30, 63, 64, 128, 250}[choose(8)]))
	switch choose(6) {
	case 0:
		return n.SetInt64(0)
	case 1:
		return n.SetInt64(int64(choose(3)) * 500_000_000)
	case 2:
		return n.Sub(n.Lsh(big.NewInt(1), 256), big.NewInt(1))
	default:
		return n
	}
}
