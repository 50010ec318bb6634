package subgraph

import (
	"regexp"
	"strings"
)

// camelCase is the name of a root field: BulkSlice is bulkSlice. (graph-node uses the
// crate Inflector, whose to_camel_case does just this with names such as ours.)
func camelCase(name string) string {
	return strings.ToLower(name[:1]) + name[1:]
}

// plurals are those rules of the crate Inflector, by which graph-node names collections,
// that the end of a name like ours can meet; the first that fits counts. The first is meant
// for mice and lice: it makes bulkSliceice of bulkSlice, and the official explorer
// asks for that.
var plurals = []struct {
	fits *regexp.Regexp
	form string
}{
	{regexp.MustCompile(`(.*[ml]ice)$`), "${1}ice"},
	{regexp.MustCompile(`(.*(?:x|ch|ss|sh|zz))$`), "${1}es"},
	{regexp.MustCompile(`(.*(?:[^aeiouy]|qu))y$`), "${1}ies"},
	{regexp.MustCompile(`(.*)sis$`), "${1}ses"},
	{regexp.MustCompile(`(.*[^aou]us)$`), "${1}es"},
	{regexp.MustCompile(`(.*)s$`), "${1}s"},
	{regexp.MustCompile(`(.*)$`), "${1}s"},
}

// plural is the name of a collection as graph-node makes it.
func plural(name string) string {
	for _, rule := range plurals {
		if match := rule.fits.FindStringSubmatchIndex(name); match != nil {
			return string(rule.fits.ExpandString(nil, rule.form, name, match))
		}
	}
	return name
}
