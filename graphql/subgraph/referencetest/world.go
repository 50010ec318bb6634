package referencetest

import (
	"cmp"
	"fmt"
	"slices"
)

// State is what an entity's stored fields are. A String, ID, Bytes, enum value or reference
// is a string; a BigInt, and a BigDecimal in nRLC, is a *big.Int; an Int is an int64; a
// Boolean is a bool; a list is a []string; null is nil or left out.
type State map[string]any

// Block is a block of the chain.
type Block struct {
	Number, Time uint64
	Hash, Parent string
}

// World is what was at each block of one chain.
type World struct {
	Definition *Definition
	Deployment string // as _meta says it
	Blocks     []Block
	entities   map[string]map[string][]version
}

// version is what an entity became in a block.
type version struct {
	block uint64
	state State
}

// NewWorld makes a world without blocks.
func NewWorld(d *Definition, deployment string) *World {
	return &World{Definition: d, Deployment: deployment, entities: map[string]map[string][]version{}}
}

// Add appends a block.
func (w *World) Add(b Block) { w.Blocks = append(w.Blocks, b) }

// Head is the newest block.
func (w *World) Head() Block { return w.Blocks[len(w.Blocks)-1] }

// Put says what an entity is from the newest block on.
func (w *World) Put(entity, id string, state State) {
	if w.entities[entity] == nil {
		w.entities[entity] = map[string][]version{}
	}
	versions, block := w.entities[entity][id], w.Head().Number
	if n := len(versions); n > 0 && versions[n-1].block == block {
		versions = versions[:n-1]
	}
	w.entities[entity][id] = append(versions, version{block, state})
}

// Get returns what an entity is at the newest block, nil if it is not there.
func (w *World) Get(entity, id string) State {
	if n := len(w.entities[entity][id]); n > 0 {
		return w.entities[entity][id][n-1].state
	}
	return nil
}

// Has says whether an entity is there at the newest block.
func (w *World) Has(entity, id string) bool { return len(w.entities[entity][id]) > 0 }

// Fork takes back all blocks above a number.
func (w *World) Fork(above uint64) {
	w.Blocks = slices.DeleteFunc(w.Blocks, func(b Block) bool { return b.Number > above })
	for _, ids := range w.entities {
		for id, versions := range ids {
			kept := slices.DeleteFunc(slices.Clone(versions), func(v version) bool { return v.block > above })
			if ids[id] = kept; len(kept) == 0 {
				delete(ids, id)
			}
		}
	}
}

// entity is an entity at a block.
type entity struct {
	of      *Type
	id      string
	changed uint64 // block of its last change
	state   State
}

// get reads a stored field.
func (e *entity) get(field string) any {
	if field == "id" {
		return e.id
	}
	return e.state[field]
}

// view is the world at a block.
type view struct {
	world *World
	block Block
	all   map[string][]*entity // by the name of their type, by id
}

func (w *World) at(block Block) *view {
	v := &view{world: w, block: block, all: map[string][]*entity{}}
	for name, ids := range w.entities {
		for id, versions := range ids {
			i := len(versions) - 1
			for i >= 0 && versions[i].block > block.Number {
				i--
			}
			if i >= 0 {
				v.all[name] = append(v.all[name], &entity{w.Definition.Types[name], id, versions[i].block, versions[i].state})
			}
		}
		slices.SortFunc(v.all[name], func(a, b *entity) int { return cmp.Compare(a.id, b.id) })
	}
	return v
}

// of lists the entities of a type or interface.
func (v *view) of(t *Type) []*entity {
	var found []*entity
	for _, e := range v.world.Definition.Entities(t) {
		found = append(found, v.all[e.Name]...)
	}
	return found
}

// find finds an entity of a type or interface.
func (v *view) find(t *Type, id string) *entity {
	for _, e := range v.of(t) {
		if e.id == id {
			return e
		}
	}
	return nil
}

// reached lists what a field of an entity leads to, without regard to order.
func (v *view) reached(e *entity, f Field) []*entity {
	target := v.world.Definition.Types[f.Type]
	var found []*entity
	for _, other := range v.of(target) {
		if leads(e, f, other) {
			found = append(found, other)
		}
	}
	return found
}

func leads(e *entity, f Field, other *entity) bool {
	if f.DerivedFrom != "" {
		return holds(other.get(f.DerivedFrom), e.id)
	}
	return holds(e.get(f.Name), other.id)
}

// holds says whether a reference or a list of references names an id.
func holds(reference any, id string) bool {
	switch reference := reference.(type) {
	case string:
		return reference == id
	case []string:
		return slices.Contains(reference, id)
	case nil:
		return false
	default:
		panic(fmt.Sprintf("%T is no reference", reference))
	}
}
