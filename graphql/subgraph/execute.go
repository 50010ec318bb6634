package subgraph

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2/gqlerror"
	"golang.org/x/sync/errgroup"

	"assay/graphql/internal/database"
)

// node is an entity that was read, with what was read below it.
type node struct {
	*record
	below map[*selection][]*node
}

func newNode(r *record) *node { return &node{record: r, below: map[*selection][]*node{}} }

// execution answers one plan from the rows of one chain. It reads level by level. What one
// level refers to, and the lists that can be made of candidates (choose.go), it asks of the
// shelf all at once; of each other list it reads the ids with a statement, for all parents.
type execution struct {
	reader *database.Reader
	shelf  *shelf
	limits Limits
	chain  uint64

	mutex sync.Mutex
	left  int // entities that may still be read
}

// want is a field of a plan, and the entities that it is to be read for.
type want struct {
	field   *selection
	at      moment
	parents []*node
	root    *root // instead of parents
}

// root is a root of a plan that leads to entities, and the block that it is read at.
type root struct {
	field *selection
	at    moment
	nodes []*node
}

// found is what a field leads to from one entity, or from a root.
type found struct {
	want   *want
	parent *node
	nodes  []*node
}

// page is which of the field's entities are wanted. If it is no list, a second one is an error.
func (w *want) page() page {
	if w.field.list {
		return w.field.page
	}
	return page{filter: always, first: 2, plain: true, high: math.MaxUint64}
}

// read reads everything that the roots lead to.
func (e *execution) read(ctx context.Context, roots []*root) error {
	var wants []*want
	for _, r := range roots {
		wants = append(wants, &want{field: r.field, at: r.at, root: r})
	}
	for len(wants) > 0 {
		byMoment := map[moment][]*want{}
		for _, w := range wants {
			byMoment[w.at] = append(byMoment[w.at], w)
		}
		var mutex sync.Mutex
		var all []found
		group, inner := errgroup.WithContext(ctx)
		group.SetLimit(e.limits.Together)
		for at, some := range byMoment {
			group.Go(database.Guarded(func() error {
				found, err := e.level(inner, at, some)
				mutex.Lock()
				defer mutex.Unlock()
				all = append(all, found...)
				return err
			}))
		}
		if err := group.Wait(); err != nil {
			return err
		}
		wants = below(all)
	}
	return nil
}

// below hangs what was found below its parents, and says what is wanted below that.
func below(all []found) []*want {
	type place struct {
		field *selection
		at    moment
	}
	type once struct {
		field *selection
		node  *node
	}
	var wants []*want
	known, seen := map[place]*want{}, map[once]bool{}
	for _, f := range all {
		if f.parent == nil {
			f.want.root.nodes = f.nodes
		} else {
			f.parent.below[f.want.field] = f.nodes
		}
		for _, n := range f.nodes {
			for _, field := range f.want.field.below[n.of] {
				if field.target == nil || seen[once{field, n}] {
					continue
				}
				seen[once{field, n}] = true
				key := place{field, f.want.at}
				if known[key] == nil {
					known[key] = &want{field: field, at: f.want.at}
					wants = append(wants, known[key])
				}
				known[key].parents = append(known[key].parents, n)
			}
		}
	}
	return wants
}

// level is what is wanted of one level at one moment.
type level struct {
	*execution
	at      moment
	nodes   map[entityKey]*node // of the level, each entity once
	pointed []pointed
	told    []found // of entities of which only the id is asked for
	choices []*choice
	dense   []*want // to be read from the entities' tables
}

// pointed is a reference, or a root that is one entity: to one of several types.
type pointed struct {
	want   *want
	parent *node
	keys   []entityKey
}

// level reads one level of what is wanted at one moment.
func (e *execution) level(ctx context.Context, at moment, wants []*want) ([]found, error) {
	if err := e.shelf.stand(ctx, at.written); err != nil {
		return nil, err
	}
	l := &level{execution: e, at: at, nodes: map[entityKey]*node{}}
	for _, w := range wants {
		l.plan(w)
	}
	if err := l.choose(ctx); err != nil {
		return nil, err
	}
	all, err := l.readDense(ctx)
	if err != nil {
		return nil, err
	}
	all = append(all, l.told...)
	for _, p := range l.pointed {
		for _, key := range p.keys {
			if n := l.nodes[key]; n != nil {
				all = append(all, found{p.want, p.parent, []*node{n}})
				break
			}
		}
	}
	for _, c := range l.choices {
		if !slices.Contains(l.dense, c.want) {
			all = append(all, found{c.want, c.parent, l.share(c.records())})
		}
	}
	entities := 0
	for _, f := range all {
		entities += len(f.nodes)
	}
	return all, e.spend(entities)
}

// share makes nodes of entities, of each one for the whole level.
func (l *level) share(records []*record) []*node {
	nodes := make([]*node, len(records))
	for i, r := range records {
		key := entityKey{r.of, r.id()}
		if l.nodes[key] == nil {
			l.nodes[key] = newNode(r)
		}
		nodes[i] = l.nodes[key]
	}
	return nodes
}

// plan says how what is wanted is to be read.
func (l *level) plan(w *want) {
	field := w.field.field
	switch {
	case w.root != nil && !w.field.list:
		l.pointed = append(l.pointed, pointed{w, nil, keysOf(w.field.target, w.field.id)})
	case w.root == nil && field.stored() && !field.List:
		for _, parent := range w.parents {
			id := parent.value(field.Name)
			switch {
			case id == nil:
			case w.field.bare && field.NonNull: // so it exists (docs/subgraph.md)
				l.told = append(l.told, found{w, parent, []*node{newNode(&record{of: w.field.target, values: []*string{id}})}})
			default:
				l.pointed = append(l.pointed, pointed{w, parent, keysOf(w.field.target, *id)})
			}
		}
	default:
		l.planList(w)
	}
}

func keysOf(target *Type, id string) []entityKey {
	keys := make([]entityKey, len(target.Concrete))
	for i, t := range target.Concrete {
		keys[i] = entityKey{t, id}
	}
	return keys
}

func (l *level) planList(w *want) {
	parents := w.parents
	if w.root != nil {
		parents = []*node{nil}
	}
	var choices []*choice
	for _, parent := range parents {
		c := w.choose(l.chain, parent)
		if c == nil {
			l.dense = append(l.dense, w)
			return
		}
		choices = append(choices, c)
	}
	l.choices = append(l.choices, choices...)
}

// choose makes the pages that can be made of candidates, and finds what is referred to.
func (l *level) choose(ctx context.Context) error {
	var runs []run
	for _, c := range l.choices {
		runs = append(runs, c.runs...)
	}
	lists, err := l.shelf.lists(ctx, l.at, runs)
	if err != nil {
		return err
	}
	var keys []entityKey
	for _, p := range l.pointed {
		keys = append(keys, p.keys...)
	}
	for _, c := range l.choices {
		if c.runs != nil {
			c.candidates(lists)
		}
	}
	for {
		open := slices.DeleteFunc(slices.Clone(l.choices), func(c *choice) bool { return c.complete || c.dense })
		if len(keys) == 0 && len(open) == 0 {
			break
		}
		for _, c := range open {
			keys = append(keys, c.next()...)
		}
		rows, err := l.shelf.find(ctx, l.at, keys)
		if err != nil {
			return err
		}
		for _, p := range l.pointed {
			for _, key := range p.keys {
				if r := rows[key]; r != nil {
					l.share([]*record{r})
				}
			}
		}
		for _, c := range open {
			if err := c.look(rows); err != nil {
				return err
			}
		}
		keys = nil
	}
	for _, c := range l.choices {
		if c.dense && !slices.Contains(l.dense, c.want) {
			l.dense = append(l.dense, c.want)
		}
	}
	return nil
}

// readDense reads lists from the entities' tables.
func (l *level) readDense(ctx context.Context) ([]found, error) {
	results := make([]map[*node][]*record, len(l.dense))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(l.limits.Together)
	for i, w := range l.dense {
		group.Go(database.Guarded(func() (err error) {
			results[i], err = l.readList(inner, w)
			return err
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var all []found
	for i, w := range l.dense {
		for parent, records := range results[i] {
			all = append(all, found{w, parent, l.share(records)})
		}
	}
	return all, nil
}

// maxKeys is how many keys one statement may be given: they go to the database in the
// address of a request.
const maxKeys = 4000

// line is an entity of a list that was read, and the id of the parent whose list it is.
type line struct {
	entityKey
	parent string
}

// readList reads a list for all its parents: first which entities, then them.
func (l *level) readList(ctx context.Context, w *want) (map[*node][]*record, error) {
	byID, links := map[string][]*node{"": {nil}}, []link{nil}
	if w.root == nil {
		delete(byID, "")
		for _, parent := range w.parents {
			byID[parent.id()] = append(byID[parent.id()], parent)
		}
		var err error
		if links, err = linksOf(w.field, byID); err != nil {
			return nil, err
		}
	}
	found := map[*node][]*record{}
	for _, link := range links {
		lines, err := l.readPage(ctx, w.field.target, w.page(), link, l.at)
		if err != nil {
			return nil, err
		}
		keys := make([]entityKey, len(lines))
		for i, each := range lines {
			keys[i] = each.entityKey
		}
		rows, err := l.shelf.find(ctx, l.at, keys)
		if err != nil {
			return nil, err
		}
		for _, each := range lines {
			r := rows[each.entityKey]
			if r == nil {
				continue // a block is being written; the answer will not stand
			}
			for _, parent := range byID[each.parent] {
				found[parent] = append(found[parent], r)
			}
		}
	}
	return found, nil
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

// rows reads a statement's rows.
func (e *execution) rows(ctx context.Context, c *compiler) ([]row, error) {
	var rows []row
	err := e.reader.Read(ctx, &rows, &c.Statement)
	if err == nil {
		err = e.spend(len(rows))
	}
	return rows, err
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
