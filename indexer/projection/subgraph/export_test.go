package subgraph

import "assay/consensus/poco"

// Kept lists what is noted of the work for deals.
func (f *Fold) Kept() (deals, tasks, contributions []poco.Hash) {
	for id := range f.deals.All() {
		deals = append(deals, id)
	}
	for id := range f.tasks.All() {
		tasks = append(tasks, id)
	}
	for id := range f.contributions.All() {
		contributions = append(contributions, id.task)
	}
	return deals, tasks, contributions
}
