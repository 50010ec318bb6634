package subgraph

import (
	"strconv"
	"strings"

	"assay/graphql/internal/database"
)

// moment is when a chain is read.
type moment struct {
	block   uint64
	quiet   bool   // nothing beyond the block is in the database: all that there is counts
	written uint64 // the rows of all records to this one are there
}

// compiler writes one statement, which reads one chain as of one moment.
type compiler struct {
	database.Statement
	number uint64 // of the chain
	chain  string // it, bound
	block  string // bound; empty: quiet
}

func newCompiler(chain uint64, at moment) *compiler {
	c := &compiler{number: chain}
	c.chain = c.Bind("UInt64", chain)
	if !at.quiet {
		c.block = c.Bind("UInt64", at.block)
	}
	return c
}

// row is what every statement answers with: values as text, in the order of the columns
// that were asked for of the row's type.
type row struct {
	Type   string    `ch:"__type"`
	Parent string    `ch:"__parent"`
	Values []*string `ch:"__values"`
}

// rows selects columns of an entity's rows that fulfil a condition, as they were at the
// block: those whose last change is not beyond it, and of things that changed later the
// newest of their history that is not. Only keys may be a condition on id that restricts
// the rows further: with it, little of the history is read.
func (c *compiler) rows(t *Type, columns []string, condition, keys string) string {
	selected := make([]string, len(columns))
	for i, column := range columns {
		selected[i] = name(column)
	}
	list, scope := strings.Join(selected, ", "), "chain = "+c.chain
	if keys != "" {
		scope += " AND " + keys
	}
	newest := "SELECT " + list + " FROM " + t.Table + " FINAL WHERE " + scope
	if c.block == "" {
		return newest + " AND " + condition
	}
	newest += " AND block_number <= " + c.block + " AND " + condition
	if t.Immutable {
		return newest
	}
	return newest + " UNION ALL SELECT " + list + " FROM (SELECT * FROM " + t.Table + "_history FINAL WHERE " + scope +
		" AND block_number <= " + c.block + " AND id IN (" + c.changed(t, scope) + ") ORDER BY id, block_number DESC LIMIT 1 BY id) WHERE " + condition
}

// linked selects the ids of all entities of a type that are on certain lists: all that there
// ever were, whatever the moment (run.go).
func (c *compiler) linked(t *Type, lists string) string {
	ending := " " + t.Name
	return "SELECT substring(target, 1, length(target) - " + strconv.Itoa(len(ending)) + ") FROM " + t.prefix + "_links WHERE list IN " + lists +
		" AND endsWith(target, " + literalText(ending) + ")"
}

// listsOf are the hashes of the lists of those that refer to one of these by the field.
func (c *compiler) listsOf(field string, ids []string) string {
	hashes := make([]uint64, len(ids))
	for i, id := range ids {
		hashes[i] = listOf(c.number, field, id)
	}
	return c.Bind("Array(UInt64)", hashes)
}

// changed selects the ids of what changed after the block. The inner select finds them in
// few granules by the index of block numbers, and more, as it sees rows that were replaced.
func (c *compiler) changed(t *Type, scope string) string {
	return "SELECT id FROM " + t.Table + " WHERE " + scope + " AND id IN (SELECT id FROM " + t.Table + " WHERE " + scope +
		" AND block_number > " + c.block + ") GROUP BY id HAVING argMax(block_number, version) > " + c.block
}

// columnsOf are the columns to read of each type that a statement answers with.
type columnsOf map[*Type][]string

// entities selects the entities with these ids.
func (c *compiler) entities(target *Type, columns columnsOf, ids []string) {
	keys := "id IN " + c.Bind("Array(String)", ids)
	for i, t := range target.Concrete {
		if i > 0 {
			c.Add(" UNION ALL ")
		}
		c.Add("SELECT ", literalText(t.Name), " AS __type, '' AS __parent, ", values(t, columns[t]), " FROM (", c.rows(t, columns[t], "1", keys), ")")
	}
}

// lists selects pages of a list, for each parent one. Without a link there is one page.
// Named may be a condition on id that rows besides fulfil.
func (c *compiler) lists(target *Type, columns columnsOf, p page, l link, named string) {
	order := " ORDER BY "
	by := ""
	if l != nil {
		order, by = " ORDER BY __parent, ", " BY __parent"
	}
	direction := " ASC NULLS LAST"
	if p.descending {
		direction = " DESC NULLS FIRST"
	}
	if p.order != nil {
		order += "__order" + direction + ", "
	}
	order += "__id" + direction
	c.Add("SELECT __type, __parent, __values FROM (")
	for i, t := range target.Concrete {
		if i > 0 {
			c.Add(" UNION ALL ")
		}
		c.Add("SELECT ", literalText(t.Name), " AS __type, __parent, __order, __id, ", values(t, columns[t]), " FROM (",
			c.page(t, columns[t], p, l, named), order, " LIMIT ", strconv.Itoa(p.skip+p.first), by, ")")
	}
	c.Add(")", order, " LIMIT ", strconv.Itoa(p.skip), ", ", strconv.Itoa(p.first), by)
}

// page selects the columns of rows that fulfil a page's filter, beside them their place
// in its order (__order, __id) and their parent (__parent).
func (c *compiler) page(t *Type, columns []string, p page, l link, named string) string {
	needed := withColumns(columns, "id")
	parent, condition, keys, join := "''", p.filter(c, t), "", ""
	if l != nil {
		var restrict, more string
		parent, restrict, keys, join, more = l.of(c, t)
		if restrict != "" {
			condition = restrict + " AND " + condition
		}
		if more != "" {
			needed = withColumns(needed, more)
		}
	}
	switch {
	case named != "":
		keys = named
	case keys == "" && p.narrow != nil:
		keys = p.narrow(c, t)
	}
	order := "''"
	switch {
	case p.through != nil:
		key, through := c.orderThrough(t, p, condition, keys)
		join += through
		order = "__other.__value"
		needed = withColumns(needed, key)
	case p.order != nil:
		order = "__own." + name(p.order.Name)
		needed = withColumns(needed, p.order.Name)
	}
	selected := make([]string, len(columns))
	for i, column := range columns {
		selected[i] = "__own." + name(column) + " AS " + name(column)
	}
	return "SELECT " + strings.Join(selected, ", ") + ", " + parent + " AS __parent, " + order + " AS __order, __own.id AS __id FROM (" +
		c.rows(t, needed, condition, keys) + ") AS __own" + join
}

// orderThrough joins the field of another entity that is ordered by. It is null for rows
// that lead to none.
func (c *compiler) orderThrough(t *Type, p page, condition, keys string) (key, join string) {
	reference := t.byName[p.through.Name]
	key, other := reference.Name, "id"
	if !reference.stored() {
		key, other = "id", reference.DerivedFrom
	}
	leads := other + " IN (" + c.rows(t, []string{key}, condition, keys) + ")"
	restriction, all := leads, "1"
	if other != "id" {
		restriction, all = "", leads
	}
	var targets []string
	for _, target := range reference.Target.Concrete {
		targets = append(targets, "SELECT "+name(other)+" AS __key, CAST("+name(p.order.Name)+" AS "+nullable(p.order.Column)+") AS __value FROM ("+
			c.rows(target, withColumns([]string{other}, p.order.Name), all, restriction)+")")
	}
	return key, " LEFT ANY JOIN (" + strings.Join(targets, " UNION ALL ") + ") AS __other ON __own." + name(key) + " = __other.__key"
}

// withColumns adds columns that are missing.
func withColumns(columns []string, more ...string) []string {
	all := columns[:len(columns):len(columns)]
	for _, column := range more {
		if !contains(all, column) {
			all = append(all, column)
		}
	}
	return all
}

func contains(list []string, wanted string) bool {
	for _, each := range list {
		if each == wanted {
			return true
		}
	}
	return false
}

// nullable is a column's type with null.
func nullable(column string) string { return "Nullable(" + column + ")" }

// values is a row's columns as a list of texts.
func values(t *Type, columns []string) string {
	texts := make([]string, len(columns))
	for i, column := range columns {
		texts[i] = asText(t.byName[column])
	}
	return "CAST([" + strings.Join(texts, ", ") + "] AS Array(Nullable(String))) AS __values"
}

func asText(f *Field) string {
	switch {
	case f.List:
		return "toJSONString(" + name(f.Name) + ")"
	case f.Column == "String":
		return name(f.Name)
	}
	return "toString(" + name(f.Name) + ")"
}

// literalText is a name of the definition as SQL's text.
func literalText(plain string) string { return "'" + plain + "'" }

// link is how the entities of a list belong to parents.
type link interface {
	// of says, for rows of a type in the alias __own: the parent, conditions that the rows
	// fulfil (of keys only id is a part), what to join, and a column needed for it.
	of(c *compiler, t *Type) (parent, condition, keys, join, column string)
}

// derivedLink is of entities that refer to their parents by a field.
type derivedLink struct {
	field   string
	parents []string
}

func (l derivedLink) of(c *compiler, t *Type) (parent, condition, keys, join, column string) {
	parents := c.Bind("Array(String)", l.parents)
	if t.byName[l.field].List {
		return "arrayJoin(arrayIntersect(__own." + name(l.field) + ", " + parents + "))", "hasAny(" + name(l.field) + ", " + parents + ")", "", "", l.field
	}
	return "assumeNotNull(__own." + name(l.field) + ")", name(l.field) + " IN " + parents, "id IN (" + c.linked(t, c.listsOf(l.field, l.parents)) + ")", "", l.field
}

// storedLink is of entities whose parents list their ids.
type storedLink struct{ parents, ids []string } // pairs

func (l storedLink) of(c *compiler, _ *Type) (parent, condition, keys, join, column string) {
	ids := c.Bind("Array(String)", l.ids)
	pairs := " INNER JOIN (SELECT pair.1 AS __of, pair.2 AS __child FROM (SELECT arrayJoin(arrayZip(" +
		c.Bind("Array(String)", l.parents) + ", " + ids + ")) AS pair)) AS __pairs ON __own.id = __pairs.__child"
	return "__pairs.__of", "", "id IN " + ids, pairs, ""
}
