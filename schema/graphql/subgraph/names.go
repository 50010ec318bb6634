package subgraph

import (
	"strings"
	"unicode"
)

// Table is the name of an entity's table, by what the names of its subgraph's tables begin
// with: BulkSlice of the subgraph kept in subgraph_* is in subgraph_bulk_slice.
func Table(prefix, entity string) string {
	var out strings.Builder
	out.WriteString(prefix)
	for _, r := range entity {
		if unicode.IsUpper(r) {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
