package audit

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// foremost is how many of the newest things, and of the richest accounts, a sample has
// beside those drawn.
const foremost = 50

// sample draws n of the keys, which are in an order that does not depend on chance, and
// takes the foremost of each ranking with them. It keeps the order. n < 0 means all.
func sample[K any](random *rand.Rand, keys []K, n, foremost int, rankings ...func(a, b K) int) []K {
	if n < 0 || n >= len(keys) {
		return keys
	}
	order := random.Perm(len(keys))
	chosen := slices.Clone(order[:n])
	for _, ranking := range rankings {
		slices.SortFunc(order, func(i, j int) int { return cmp.Or(ranking(keys[i], keys[j]), cmp.Compare(i, j)) })
		chosen = append(chosen, order[:min(foremost, len(order))]...)
	}
	slices.Sort(chosen)
	out := make([]K, 0, len(chosen))
	for _, i := range slices.Compact(chosen) {
		out = append(out, keys[i])
	}
	return out
}

// newer ranks what changed last first.
func newer(a, b ref) int {
	return cmp.Or(cmp.Compare(b.next, a.next), cmp.Compare(b.event, a.event))
}
