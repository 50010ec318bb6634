package poco

import (
	"fmt"
	"slices"
	"strings"
)

// Dump writes the whole state, in an order of its own: equal states have equal dumps.
func (s *State) Dump() string {
	var b strings.Builder
	dumpTable(&b, "account", s.accounts)
	dumpTable(&b, "allowance", s.allowances)
	dumpTable(&b, "deal", s.deals)
	dumpTable(&b, "task", s.tasks)
	dumpTable(&b, "contribution", s.contributions)
	dumpTable(&b, "group", s.groups)
	dumpTable(&b, "category", s.categories)
	dumpTable(&b, "resource", s.resources)
	dumpTable(&b, "order", s.orders)
	dumpTable(&b, "totals", s.totals)
	return b.String()
}

func dumpTable[K comparable, V any](b *strings.Builder, name string, t table[K, V]) {
	lines := make([]string, 0, len(t.rows))
	for key, row := range t.rows {
		if row == nil {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %v %+v\n", name, key, row.value))
	}
	slices.Sort(lines)
	for _, line := range lines {
		b.WriteString(line)
	}
}

// Rows counts what the state keeps of deals and tasks, and of orders.
func (s *State) Rows() (work, orders int) {
	return len(s.deals.rows) + len(s.tasks.rows) + len(s.contributions.rows) + len(s.groups.rows), len(s.orders.rows)
}

// JournalLen is how many changes the journal keeps.
func (s *State) JournalLen() int { return len(s.journal.changes) }

// Sums adds up all stake and all that is locked.
func (s *State) Sums() (stake, locked Amount) {
	for _, row := range s.accounts.rows {
		stake.Add(&stake, &row.value.Stake)
		locked.Add(&locked, &row.value.Locked)
	}
	return stake, locked
}

// Views writes each thing that a Key can name.
func (s *State) Views() map[Key]string {
	views := map[Key]string{}
	viewTable(views, s.accounts)
	viewTable(views, s.deals)
	viewTable(views, s.tasks)
	viewTable(views, s.contributions)
	viewTable(views, s.categories)
	viewTable(views, s.resources)
	viewTable(views, s.orders)
	return views
}

func viewTable[K comparable, V any](views map[Key]string, t table[K, V]) {
	for key, row := range t.rows {
		views[t.name(key)] = fmt.Sprintf("%+v", row.value)
	}
}

// TypeHashes are the EIP-712 type hashes of orders and of operations on them.
var TypeHashes = struct {
	Domain, App, Dataset, Workerpool, Request                             Hash
	AppOperation, DatasetOperation, WorkerpoolOperation, RequestOperation Hash
}{
	domainTypeHash, appTypeHash, datasetTypeHash, workerpoolTypeHash, requestTypeHash,
	appOperationTypeHash, datasetOperationTypeHash, workerpoolOperationTypeHash, requestOperationTypeHash,
}

// PutOn puts a state on a shelf that has nothing yet.
func (s *State) PutOn(on Shelf) {
	s.shelf = &shelf{Shelf: on}
	putTable(s.shelf, &s.accounts)
	putTable(s.shelf, &s.allowances)
	putTable(s.shelf, &s.deals)
	putTable(s.shelf, &s.tasks)
	putTable(s.shelf, &s.contributions)
	putTable(s.shelf, &s.groups)
	putTable(s.shelf, &s.categories)
	putTable(s.shelf, &s.resources)
	putTable(s.shelf, &s.orders)
	putTable(s.shelf, &s.totals)
}

func putTable[K comparable, V any](on *shelf, t *table[K, V]) {
	t.shelf = on
	for key, row := range t.rows {
		t.soil(key, row)
	}
}

// FetchAll has all rows in memory.
func (s *State) FetchAll() {
	fetchTable(&s.accounts)
	fetchTable(&s.allowances)
	fetchTable(&s.deals)
	fetchTable(&s.tasks)
	fetchTable(&s.contributions)
	fetchTable(&s.groups)
	fetchTable(&s.resources)
	fetchTable(&s.orders)
}

func fetchTable[K comparable, V any](t *table[K, V]) {
	for key := range t.shelf.All([]byte{t.id}) {
		t.find(decode(t.shelf, key[1:], t.readKey))
	}
	for key, row := range t.rows {
		if row == nil {
			delete(t.rows, key)
		}
	}
}
