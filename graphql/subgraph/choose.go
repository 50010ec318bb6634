package subgraph

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// choice is one page in the making, of candidates of which the shelf knows the rows.
type choice struct {
	want     *want
	parent   *node // nil: a root
	page     page
	runs     []run
	left     []entry // candidates that are not looked at yet
	whole    bool    // there are no others
	sorted   bool    // they are in the page's order
	looking  []entry // whose rows are being read
	step     int     // how many are looked at the next time, if there are as many
	taken    []*record
	complete bool
	dense    bool // the page cannot be made so: it has to be read from the entities' tables
}

// ordering is what candidates are ordered by.
type ordering int

const (
	byID ordering = iota
	byTime
	byValue // which only rows tell
)

func (p page) ordering(target *Type) ordering {
	switch {
	case p.order == nil || p.order.Name == "id":
		return byID
	case p.order.Name == "timestamp" && (target.timed("UInt64") || target.timed("Int64")):
		return byTime
	}
	return byValue
}

// timed tells whether lists hold the type's entities, all of them, by their time.
func (t *Type) timed(column string) bool {
	return !slices.ContainsFunc(t.Concrete, func(c *Type) bool {
		f := c.byName["timestamp"]
		return f == nil || !f.stored() || !f.NonNull || f.List || f.Column != column
	})
}

// timed tells whether a page has only entities of a certain time.
func (p page) timed() bool { return p.low > 0 || p.high < math.MaxUint64 }

// refers tells whether there are lists of those of the types that refer to one entity by the
// field.
func (t *Type) refers(field string) bool {
	return !slices.ContainsFunc(t.Concrete, func(c *Type) bool {
		f := c.byName[field]
		return f == nil || !f.listed
	})
}

// choose begins the page of a list below a parent, or of a root. Nil: it cannot be made of
// candidates.
func (w *want) choose(chain uint64, parent *node) *choice {
	c := &choice{want: w, parent: parent, page: w.page()}
	target, order := w.field.target, c.page.ordering(w.field.target)
	c.sorted = order != byValue
	if c.page.through != nil || !c.page.plain || c.page.skip > maxWhole {
		return nil
	}
	field := w.field.field
	switch {
	case parent != nil && field.stored():
		return c.listed()
	case parent != nil && target.refers(field.DerivedFrom) && parent.id() != "":
		c.runs = []run{allTime(listOf(chain, field.DerivedFrom, parent.id()), 0)}
	case parent != nil:
		return nil
	case c.page.reference != nil:
		if !target.refers(c.page.reference.field) || c.page.reference.id == "" {
			return nil
		}
		c.runs = []run{allTime(listOf(chain, c.page.reference.field, c.page.reference.id), 0)}
	case order == byValue, order == byID && c.page.timed():
		return nil
	default:
		for _, t := range target.Concrete {
			c.runs = append(c.runs, c.page.root(chain, t, order))
		}
	}
	return c
}

// wanted is how many candidates a page begins with: more than are asked for, as some may
// have been replaced.
func (p page) wanted() int { return p.skip + p.first + 32 }

// root is the run of a root list that is of all entities of a type.
func (p page) root(chain uint64, t *Type, order ordering) run {
	need := 1 << bits.Len(uint(p.wanted()-1))
	r := run{list: listOf(chain, t.Name, ""), low: p.low, high: p.high, down: p.descending, need: need, bounded: p.timed()}
	if order == byID {
		r = run{of: t, down: p.descending, need: need}
		if p.beyond != nil {
			r.beyond, r.bounded = *p.beyond, true
		}
	}
	return r
}

// listed begins a page of entities that the parent lists itself.
func (c *choice) listed() *choice {
	var ids []string
	if err := json.Unmarshal([]byte(*c.parent.value(c.want.field.field.Name)), &ids); err != nil {
		return nil
	}
	c.whole, c.sorted = true, c.page.ordering(c.want.field.target) == byID
	for _, id := range ids {
		for _, t := range c.want.field.target.Concrete {
			c.left = append(c.left, entry{of: t, id: id})
		}
	}
	c.sort(byID)
	return c
}

// candidates takes what runs gave.
func (c *choice) candidates(lists map[run]*list) {
	target, order := c.want.field.target, c.page.ordering(c.want.field.target)
	c.whole = true
	var ends []entry // of runs that may go on
	for _, r := range c.runs {
		l := lists[r]
		c.whole = c.whole && l.whole
		if !l.whole && len(l.entries) > 0 {
			ends = append(ends, l.entries[len(l.entries)-1])
		}
		for _, e := range l.entries {
			if slices.Contains(target.Concrete, e.of) && (r.list == 0 || e.time >= c.page.low && e.time <= c.page.high) {
				c.left = append(c.left, e)
			}
		}
	}
	inOrder := order == byID && c.runs[0].list == 0 || order == byTime && c.runs[0].down == c.page.descending
	if c.dense = !c.whole && !inOrder || !c.sorted && len(c.left) > maxWhole; c.dense {
		return
	}
	for _, end := range ends { // beyond it another run's may be missing
		c.left = slices.DeleteFunc(c.left, func(e entry) bool { return c.compare(order, e, end) > 0 })
	}
	c.sort(order)
}

// compare compares candidates in the page's order.
func (c *choice) compare(order ordering, a, b entry) int {
	result := 0
	if order == byTime {
		result = cmp.Compare(a.time, b.time)
	}
	if result == 0 {
		result = strings.Compare(a.id, b.id)
	}
	if c.page.descending {
		return -result
	}
	return result
}

// sort sorts the candidates and leaves out those that are there twice.
func (c *choice) sort(order ordering) {
	if order == byValue {
		order = byID
	}
	compare := func(a, b entry) int {
		return cmp.Or(c.compare(order, a, b), strings.Compare(a.of.Name, b.of.Name))
	}
	slices.SortFunc(c.left, compare)
	c.left = slices.CompactFunc(c.left, func(a, b entry) bool { return compare(a, b) == 0 })
}

// next are the entities to be looked at next: hardly more than are missing, and each time twice
// as many, as there may be whole stretches that have been replaced.
func (c *choice) next() []entityKey {
	n := len(c.left)
	if c.sorted {
		n = min(n, max(c.page.skip+c.page.first-len(c.taken)+2, c.step))
	}
	c.step = 2 * n
	c.looking, c.left = c.left[:n], c.left[n:]
	keys := make([]entityKey, n)
	for i, e := range c.looking {
		keys[i] = entityKey{e.of, e.id}
	}
	return keys
}

// look takes those of the entities that belong to the page.
func (c *choice) look(rows map[entityKey]*record) error {
	order := c.page.ordering(c.want.field.target)
	for _, e := range c.looking {
		r := rows[entityKey{e.of, e.id}]
		if r == nil || !c.refers(r) {
			continue
		}
		if order == byTime && c.runs != nil || c.page.timed() {
			time, err := r.time()
			if err != nil {
				return fmt.Errorf("reading the time of %s: %w", e.id, err)
			}
			if time != e.time && order == byTime && c.runs != nil || time < c.page.low || time > c.page.high {
				continue
			}
		}
		c.taken = append(c.taken, r)
	}
	c.looking = nil
	full := c.sorted && len(c.taken) >= c.page.skip+c.page.first
	if c.complete = full || len(c.left) == 0; c.complete {
		c.dense = !full && !c.whole
	}
	return nil
}

// refers tells whether an entity refers to what all of the page do.
func (c *choice) refers(r *record) bool {
	is := func(field, id string) bool {
		value := r.value(field)
		return value != nil && *value == id
	}
	if reference := c.page.reference; reference != nil {
		return is(reference.field, reference.id)
	}
	return c.parent == nil || c.want.field.field.stored() || is(c.want.field.field.DerivedFrom, c.parent.id())
}

// records are the page.
func (c *choice) records() []*record {
	if !c.sorted {
		slices.SortFunc(c.taken, c.page.compare)
	}
	return c.taken[min(c.page.skip, len(c.taken)):min(c.page.skip+c.page.first, len(c.taken))]
}

// compare compares entities as the database would (compiler.lists): null is the greatest, and
// ids decide.
func (p page) compare(a, b *record) int {
	x, y := a.value(p.order.Name), b.value(p.order.Name)
	result := 0
	switch {
	case x == nil && y == nil:
	case x == nil:
		result = 1
	case y == nil:
		result = -1
	default:
		result = compareTexts(*x, *y, p.order.number())
	}
	result = cmp.Or(result, strings.Compare(a.id(), b.id()))
	if p.descending {
		return -result
	}
	return result
}
