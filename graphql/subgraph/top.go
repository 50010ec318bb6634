package subgraph

import (
	"context"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// A list's first page need not read the list. Rows are sorted without FINAL, which tables
// have projections for, and the first ones named; then these are read with FINAL. Some of
// the rows named may have been replaced or deleted since, so a few more are named than
// are wanted, and what was found is only taken if it is certain: if there were no more
// rows to name, or the page is full and its last entity comes not after the last row
// named. An entity that belongs before it would have been named by its own newest row.
// Otherwise the list is read whole.

// maxNamed bounds how many rows are named: pages further down are read from the whole.
const maxNamed = 4096

// named is how many rows are named for a page.
func (p page) named() int {
	wanted := p.skip + p.first
	return wanted + max(32, wanted/4)
}

// topField is the field by which the first rows of a list are found without reading it
// whole, nil if they cannot be.
func (p page) topField(target *Type, l link, at moment) *Field {
	derived, isDerived := l.(derivedLink)
	switch {
	case !at.quiet, target.Interface, p.through != nil, !p.own, p.skip > maxNamed || p.named() > maxNamed:
		return nil
	case l != nil && (!isDerived || len(derived.parents) != 1 || target.byName[derived.field].List):
		return nil
	case p.order == nil:
		return target.byName["id"]
	case !p.order.NonNull || p.order.List || strings.HasPrefix(p.order.Column, "Int") || p.order.Kind == KindBoolean:
		return nil
	}
	return p.order
}

// top selects a page by naming rows first, and after it a row without a type: how many were
// named, and the place of the last.
func (c *compiler) top(t *Type, columns columnsOf, p page, l link, by *Field) {
	condition := p.filter(c, t)
	if l != nil {
		_, restrict, _, _, _ := l.of(c, t)
		condition = restrict + " AND " + condition
	}
	direction, last := " ASC", "max"
	if p.descending {
		direction, last = " DESC", "min"
	}
	rows := func(column string) string {
		return "SELECT " + column + " FROM " + t.Table + " WHERE chain = " + c.chain + " AND " + condition +
			" ORDER BY " + name(by.Name) + direction + ", id" + direction + " LIMIT " + strconv.Itoa(p.named())
	}
	c.Add("SELECT * FROM (")
	c.lists(t, columns, p, l, "id IN ("+rows("id")+")")
	c.Add(") UNION ALL SELECT '', '', CAST([toString(count()), toString(tupleElement(", last, "((", name(by.Name), ", id)), 1)), tupleElement(", last, "((", name(by.Name), ", id)), 2)] AS Array(Nullable(String))) FROM (",
		rows(name(by.Name)+", id"), ")")
}

// readPage reads which entities are on a page of a list, for each parent.
func (e *execution) readPage(ctx context.Context, target *Type, p page, l link, at moment) ([]line, error) {
	columns := columnsOf{}
	for _, t := range target.Concrete {
		columns[t] = []string{"id"}
	}
	if by := p.topField(target, l, at); by != nil {
		wider := columnsOf{target: withColumns(columns[target], by.Name)}
		c := newCompiler(e.chain, at)
		c.top(target, wider, p, l, by)
		rows, err := e.rows(ctx, c)
		if err != nil {
			return nil, err
		}
		last := slices.IndexFunc(rows, func(r row) bool { return r.Type == "" })
		if found := slices.Delete(slices.Clone(rows), last, last+1); p.certain(found, rows[last].Values, by) {
			return linesOf(target, found), nil
		}
	}
	c := newCompiler(e.chain, at)
	c.lists(target, columns, p, l, "")
	rows, err := e.rows(ctx, c)
	return linesOf(target, rows), err
}

func linesOf(target *Type, rows []row) []line {
	types := map[string]*Type{}
	for _, t := range target.Concrete {
		types[t.Name] = t
	}
	lines := make([]line, len(rows))
	for i, r := range rows {
		lines[i] = line{entityKey{types[r.Type], *r.Values[0]}, r.Parent}
	}
	return lines
}

// certain tells whether a page that was found by naming rows is right.
func (p page) certain(found []row, last []*string, by *Field) bool {
	if *last[0] != strconv.Itoa(p.named()) {
		return true
	}
	if len(found) < p.first {
		return false
	}
	end := found[len(found)-1].Values // id, and what is ordered by if that is another
	order := compareTexts(*end[len(end)-1], *last[1], by.number())
	if order == 0 {
		order = strings.Compare(*end[0], *last[2])
	}
	if p.descending {
		return order >= 0
	}
	return order <= 0
}

// compareTexts compares values of a column as the database does.
func compareTexts(a, b string, numbers bool) int {
	x, okX := new(big.Int).SetString(a, 10)
	y, okY := new(big.Int).SetString(b, 10)
	if numbers && okX && okY {
		return x.Cmp(y)
	}
	return strings.Compare(a, b)
}
