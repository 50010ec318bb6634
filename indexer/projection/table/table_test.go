package table

import (
	"fmt"
	"slices"
	"testing"
)

type point struct {
	X int `ch:"x"`
	Y int `ch:"y_axis"`
}

func TestTable(t *testing.T) {
	table := Of("points", []point{{1, 2}, {3, 4}})
	if got, want := table.Columns(), []string{"x", "y_axis"}; !slices.Equal(got, want) {
		t.Errorf("columns %v, want %v", got, want)
	}
	if table.Len() != 2 || *table.Row(1).(*point) != (point{3, 4}) {
		t.Errorf("%d rows, the second is %v", table.Len(), table.Row(1))
	}
}

func TestSetsKeepTheOrderOfTables(t *testing.T) {
	var a, b Set
	Add(&a, "points", point{1, 1})
	Add(&b, "numbers", struct{ N int }{7})
	Add(&b, "points", point{2, 2}, point{3, 3})
	a.Append(b.Tables()...)
	var got string
	for _, table := range a.Tables() {
		got += table.Name + ":"
		for i := range table.Len() {
			got += fmt.Sprint(table.Row(i))
		}
	}
	if want := "points:&{1 1}&{2 2}&{3 3}numbers:&{7}"; got != want {
		t.Errorf("the set holds %s, want %s", got, want)
	}
	if len(b.Tables()) != 2 || b.Tables()[1].Len() != 2 {
		t.Error("what was appended has changed")
	}
}
