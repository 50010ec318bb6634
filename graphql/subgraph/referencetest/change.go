package referencetest

import "slices"

// Change is what an entity became in a block, and what it was before.
type Change struct {
	Entity, ID  string
	Block       uint64
	State       State
	Before      State // nil: there was none
	BeforeBlock uint64
}

// Since lists what changed in the blocks above a number, in the order of the definition, of
// ids and of blocks.
func (w *World) Since(above uint64) []Change {
	var changes []Change
	for _, name := range w.Definition.Names {
		for _, id := range sortedKeys(w.entities[name]) {
			for i, v := range w.entities[name][id] {
				if v.block <= above {
					continue
				}
				c := Change{Entity: name, ID: id, Block: v.block, State: v.state}
				if i > 0 {
					before := w.entities[name][id][i-1]
					c.Before, c.BeforeBlock = before.state, before.block
				}
				changes = append(changes, c)
			}
		}
	}
	return changes
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
