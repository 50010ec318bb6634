// Package market plays a small PoCo marketplace for tests: a chain whose blocks hold
// what the contracts would emit for random but sensible calls, decided by the rules
// themselves (poco.Decide). The same choices give the same chain. A chain can fork.
package market
