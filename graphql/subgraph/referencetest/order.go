package referencetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The numbers of entities of a page: graph-node's max_first and default.
const (
	maxFirst     = 1000
	defaultFirst = 100
)

// page is which entities of a list are asked for.
type page struct {
	filter      filter
	key         func(v *view, e *entity) any // comparable, nil for null; nil: by id
	descending  bool
	first, skip int
}

// pageOf reads the arguments of a list.
func (d *Definition) pageOf(t *Type, arguments map[string]any) (p page, err error) {
	if p.filter, err = d.filterOf(t, arguments["where"]); err != nil {
		return p, err
	}
	if p.first, err = bounded(arguments, "first", defaultFirst, 1, maxFirst); err != nil {
		return p, err
	}
	if p.skip, err = bounded(arguments, "skip", 0, 0, 1<<31-1); err != nil {
		return p, err
	}
	if p.key, err = d.keyOf(t, arguments["orderBy"]); err != nil {
		return p, err
	}
	direction, _ := textOf(arguments["orderDirection"])
	if arguments["orderDirection"] != nil && direction != "asc" && direction != "desc" {
		return p, fmt.Errorf("orderDirection is %v", arguments["orderDirection"])
	}
	p.descending = direction == "desc"
	if arguments["orderBy"] == nil {
		p.descending = false // graph-node then orders by ascending id, whatever the direction
	}
	return p, nil
}

func bounded(arguments map[string]any, name string, missing, least, most int) (int, error) {
	value := arguments[name]
	if value == nil {
		return missing, nil
	}
	number, ok := value.(json.Number)
	if !ok {
		return 0, fmt.Errorf("%s is no number: %v", name, value)
	}
	n, err := number.Int64()
	if err != nil || n < int64(least) || n > int64(most) {
		return 0, fmt.Errorf("%s must be between %d and %d, but is %s", name, least, most, number)
	}
	return int(n), nil
}

// keyOf reads orderBy: a stored field, or one of the entity that a field leads to.
func (d *Definition) keyOf(t *Type, orderBy any) (func(*view, *entity) any, error) {
	if orderBy == nil {
		return nil, nil
	}
	name, ok := textOf(orderBy)
	if !ok {
		return nil, fmt.Errorf("orderBy is %v", orderBy)
	}
	own, of, isChild := strings.Cut(name, "__")
	field, ok := t.Field(own)
	if !ok || field.List {
		return nil, fmt.Errorf("%s cannot be ordered by %s", t.Name, name)
	}
	if !isChild {
		if field.DerivedFrom != "" {
			return nil, fmt.Errorf("%s cannot be ordered by %s", t.Name, name)
		}
		return func(_ *view, e *entity) any { return keyValue(e, field) }, nil
	}
	target := d.Types[field.Type]
	if target == nil {
		return nil, fmt.Errorf("%s.%s is no entity", t.Name, own)
	}
	last, ok := target.Field(of)
	if !ok || last.List || d.refers(last) {
		return nil, fmt.Errorf("%s cannot be ordered by %s", t.Name, name)
	}
	return func(v *view, e *entity) any {
		for _, c := range v.reached(e, field) {
			return keyValue(c, last)
		}
		return nil
	}, nil
}

func keyValue(e *entity, f Field) any {
	value := e.get(f.Name)
	if value == nil {
		return nil
	}
	return comparableOf(value, f.Type)
}

// of picks the page's entities, in order.
func (p page) of(v *view, all []*entity) []*entity {
	kept := slices.DeleteFunc(slices.Clone(all), func(e *entity) bool { return !p.filter(v, e) })
	slices.SortFunc(kept, func(a, b *entity) int {
		order := p.compare(v, a, b)
		if p.descending {
			return -order
		}
		return order
	})
	kept = kept[min(p.skip, len(kept)):]
	return kept[:min(p.first, len(kept))]
}

// compare orders ascending: by the key, null as the greatest (as PostgreSQL), then by id.
func (p page) compare(v *view, a, b *entity) int {
	if p.key != nil {
		ka, kb := p.key(v, a), p.key(v, b)
		var order int
		if ka == nil || kb == nil {
			order = rank(ka == nil) - rank(kb == nil)
		} else {
			order = compare(ka, kb)
		}
		if order != 0 {
			return order
		}
	}
	return strings.Compare(a.id, b.id)
}
