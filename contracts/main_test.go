package contracts

import (
	"flag"
	"maps"
	"slices"
)

var update = flag.Bool("update", false, "write testdata anew")

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
