package subgraph

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2/gqlerror"
	"golang.org/x/sync/errgroup"

	"assay/graphql/internal/database"
)

// node is an entity that was read, with what was read below it.
type node struct {
	of     *Type
	values []*string
	column map[string]int
	below  map[*selection][]*node
}

// value is a column's; nil is null.
func (n *node) value(column string) *string { return n.values[n.column[column]] }

func (n *node) id() string { return *n.value("id") }

// execution answers one plan from the rows of one chain. It reads level by level: all
// entities that one field leads to from all their parents with one statement, those of
// fields that refer to entities of one type with one for all these fields.
type execution struct {
	reader *database.Reader
	limits Limits
	chain  uint64

	mutex sync.Mutex
	left  int // entities that may still be read
}

// wanted is a field of a plan, and the entities that it is to be read for.
type wanted struct {
	field   *selection
	parents []*node
	at      moment
}

// fetch is what one statement reads: either a page for each parent of one field, or
// entities that fields refer to.
type fetch struct {
	wants []*wanted
	at    moment
}

// root is a root of a plan that leads to entities, and the block that it is read at.
type root struct {
	field *selection
	at    moment
	nodes []*node
}

// read reads everything that the roots lead to.
func (e *execution) read(ctx context.Context, roots []*root) error {
	level := make([]*frontier, len(roots))
	group, all := errgroup.WithContext(ctx)
	group.SetLimit(e.limits.Together)
	for i, r := range roots {
		group.Go(func() (err error) {
			r.nodes, err = e.readRoot(all, r)
			level[i] = newFrontier(r.at)
			level[i].add(r.field, r.nodes)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for {
		fetches := fetchesOf(level)
		if len(fetches) == 0 {
			return nil
		}
		next := make([]*frontier, len(fetches))
		group, all := errgroup.WithContext(ctx)
		group.SetLimit(e.limits.Together)
		for i, f := range fetches {
			group.Go(func() (err error) {
				next[i], err = e.readBelow(all, f)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		for _, f := range next {
			f.hang()
		}
		level = next
	}
}

// frontier is the entities that were read last, by the fields to be read below them.
type frontier struct {
	at    moment
	found []found
	wants []*wanted
	known map[*selection]*wanted
	seen  map[*selection]map[*node]bool
}

// found is what a field leads to from one entity.
type found struct {
	parent *node
	field  *selection
	nodes  []*node
}

// hang puts what was found below its parents, which other statements know as well.
func (f *frontier) hang() {
	for _, each := range f.found {
		each.parent.below[each.field] = append(each.parent.below[each.field], each.nodes...)
	}
}

func newFrontier(at moment) *frontier {
	return &frontier{at: at, known: map[*selection]*wanted{}, seen: map[*selection]map[*node]bool{}}
}

// add notes what is to be read below the entities that a field led to.
func (f *frontier) add(field *selection, found []*node) {
	for _, n := range found {
		for _, below := range field.below[n.of] {
			if below.target != nil {
				f.want(below, n)
			}
		}
	}
}

func (f *frontier) want(field *selection, parent *node) {
	w := f.known[field]
	if w == nil {
		w = &wanted{field: field, at: f.at}
		f.known[field], f.seen[field] = w, map[*node]bool{}
		f.wants = append(f.wants, w)
	}
	if !f.seen[field][parent] {
		f.seen[field][parent] = true
		w.parents = append(w.parents, parent)
	}
}

// fetchesOf sorts what is wanted into statements.
func fetchesOf(level []*frontier) []*fetch {
	type together struct {
		target *Type
		at     moment
	}
	var fetches []*fetch
	references := map[together]*fetch{}
	lists := map[*selection]map[moment]*fetch{}
	for _, f := range level {
		for _, w := range f.wants {
			if w.field.field.stored() && !w.field.list {
				key := together{w.field.target, w.at}
				if references[key] == nil {
					references[key] = &fetch{at: w.at}
					fetches = append(fetches, references[key])
				}
				references[key].wants = append(references[key].wants, w)
				continue
			}
			if lists[w.field] == nil {
				lists[w.field] = map[moment]*fetch{}
			}
			if known := lists[w.field][w.at]; known != nil {
				known.wants[0].parents = append(known.wants[0].parents, w.parents...)
				continue
			}
			lists[w.field][w.at] = &fetch{wants: []*wanted{w}, at: w.at}
			fetches = append(fetches, lists[w.field][w.at])
		}
	}
	return fetches
}

// maxKeys is how many keys one statement may be given: they go to the database in the
// address of a request.
const maxKeys = 4000

// readBelow reads what a statement's wants lead to, and hangs it below their parents.
func (e *execution) readBelow(ctx context.Context, f *fetch) (*frontier, error) {
	next := newFrontier(f.at)
	if first := f.wants[0]; !first.field.field.stored() || first.field.list {
		return next, e.readLists(ctx, first, next)
	}
	return next, e.readReferences(ctx, f, next)
}

func (e *execution) readReferences(ctx context.Context, f *fetch, next *frontier) error {
	columns, ids := columnsOf{}, []string{}
	target := f.wants[0].field.target
	for _, w := range f.wants {
		columns.of(w.field)
		for _, parent := range w.parents {
			if id := parent.value(w.field.field.Name); id != nil {
				ids = append(ids, *id)
			}
		}
	}
	slices.Sort(ids)
	known := map[string]*node{}
	for part := range slices.Chunk(slices.Compact(ids), maxKeys) {
		c := newCompiler(e.chain, f.at)
		c.entities(target, columns, part)
		nodes, _, _, err := e.nodes(ctx, target, columns, c)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			known[n.id()] = n
		}
	}
	for _, w := range f.wants {
		for _, parent := range w.parents {
			if id := parent.value(w.field.field.Name); id != nil && known[*id] != nil {
				next.found = append(next.found, found{parent, w.field, []*node{known[*id]}})
				next.add(w.field, []*node{known[*id]})
			}
		}
	}
	return nil
}

func (e *execution) readLists(ctx context.Context, w *wanted, next *frontier) error {
	columns := columnsOf{}
	columns.of(w.field)
	pg := w.field.page
	if !w.field.list {
		pg = page{filter: always, first: 2} // a second one is an error
	}
	byID := map[string][]*node{}
	for _, parent := range w.parents {
		byID[parent.id()] = append(byID[parent.id()], parent)
	}
	links, err := linksOf(w.field, byID)
	if err != nil {
		return err
	}
	for _, l := range links {
		nodes, parents, err := e.readPage(ctx, w.field.target, columns, pg, l, w.at)
		if err != nil {
			return err
		}
		for i, n := range nodes {
			for _, parent := range byID[parents[i]] {
				next.found = append(next.found, found{parent, w.field, []*node{n}})
			}
		}
		next.add(w.field, nodes)
	}
	return nil
}

// linksOf tells entities of a list from their parents, in parts that a statement can take.
func linksOf(field *selection, byID map[string][]*node) ([]link, error) {
	var links []link
	if from := field.field.DerivedFrom; from != "" {
		ids := make([]string, 0, len(byID))
		for id := range byID {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for part := range slices.Chunk(ids, maxKeys) {
			links = append(links, derivedLink{from, part})
		}
		return links, nil
	}
	var parents, ids []string
	for id, nodes := range byID {
		var listed []string
		if err := json.Unmarshal([]byte(*nodes[0].value(field.field.Name)), &listed); err != nil {
			return nil, fmt.Errorf("reading the list %s of %s: %w", field.field.Name, id, err)
		}
		slices.Sort(listed)
		listed = slices.Compact(listed)
		for len(ids)+len(listed) > maxKeys && len(ids) > 0 {
			links = append(links, storedLink{parents, ids})
			parents, ids = nil, nil
		}
		for _, each := range listed {
			parents, ids = append(parents, id), append(ids, each)
		}
	}
	if len(ids) > 0 {
		links = append(links, storedLink{parents, ids})
	}
	return links, nil
}

func (e *execution) readRoot(ctx context.Context, r *root) ([]*node, error) {
	columns := columnsOf{}
	columns.of(r.field)
	if r.field.list {
		nodes, _, err := e.readPage(ctx, r.field.target, columns, r.field.page, nil, r.at)
		return nodes, err
	}
	c := newCompiler(e.chain, r.at)
	c.entities(r.field.target, columns, []string{r.field.id})
	nodes, _, _, err := e.nodes(ctx, r.field.target, columns, c)
	return nodes, err
}

// of adds the columns that a field's answer needs of each type that it leads to.
func (c columnsOf) of(field *selection) {
	for _, t := range field.target.Concrete {
		c[t] = withColumns(c[t], "id")
		for _, below := range field.below[t] {
			if below.field != nil && below.field.stored() {
				c[t] = withColumns(c[t], below.field.Name)
			}
		}
	}
}

// nodes reads a statement: the entities, of each its parent's id, and the values of a row
// that is none, where there is one.
func (e *execution) nodes(ctx context.Context, target *Type, columns columnsOf, c *compiler) (nodes []*node, parents []string, other []*string, err error) {
	var rows []row
	if err := e.reader.Read(ctx, &rows, &c.Statement); err != nil {
		return nil, nil, nil, err
	}
	if err := e.spend(len(rows)); err != nil {
		return nil, nil, nil, err
	}
	types, places := map[string]*Type{}, map[*Type]map[string]int{}
	for _, t := range target.Concrete {
		types[t.Name], places[t] = t, map[string]int{}
		for i, column := range columns[t] {
			places[t][column] = i
		}
	}
	for _, r := range rows {
		t := types[r.Type]
		if t == nil {
			other = r.Values
			continue
		}
		nodes = append(nodes, &node{of: t, values: r.Values, column: places[t], below: map[*selection][]*node{}})
		parents = append(parents, r.Parent)
	}
	return nodes, parents, other, nil
}

// spend takes entities from what may be read for the response.
func (e *execution) spend(entities int) error {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.left -= entities; e.left < 0 {
		return tooManyEntities(e.limits.Entities)
	}
	return nil
}

func tooManyEntities(most int) *gqlerror.Error {
	return fault(nil, "the query returns more than `%d` entities. Possible solutions are reducing the depth of the query, "+
		"querying fewer relationships or using `first` to return smaller collections", most)
}
