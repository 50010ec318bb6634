package poco

import "cmp"

// layout says how a table is written down.
type layout[K comparable, V any] struct {
	id       byte // first byte of its keys on a shelf
	resident bool // its rows are few, and all in memory
	compare  func(a, b K) int
	writeKey func(*writer, K)
	readKey  func(*reader) K
	write    func(*writer, *V)
	read     func(*reader) V
}

// The tables. A number is never given to another.
var (
	accountRows = layout[Address, Account]{
		id: 1, compare: compareAddresses, writeKey: (*writer).address, readKey: (*reader).address, write: (*writer).account, read: (*reader).account,
	}
	allowanceRows = layout[allowanceID, Amount]{
		id: 2, compare: compareAllowances, writeKey: (*writer).allowance, readKey: (*reader).allowance, write: (*writer).amount, read: (*reader).amount,
	}
	dealRows = layout[Hash, deal]{
		id: 3, compare: compareHashes, writeKey: (*writer).hash, readKey: (*reader).hash, write: (*writer).deal, read: (*reader).deal,
	}
	taskRows = layout[Hash, task]{
		id: 4, compare: compareHashes, writeKey: (*writer).hash, readKey: (*reader).hash, write: (*writer).task, read: (*reader).task,
	}
	contributionRows = layout[contributionID, Contribution]{
		id: 5, compare: compareContributions, writeKey: (*writer).contributionID, readKey: (*reader).contributionID,
		write: (*writer).contribution, read: (*reader).contribution,
	}
	groupRows = layout[groupID, Amount]{
		id: 6, compare: compareGroups, writeKey: (*writer).groupID, readKey: (*reader).groupID, write: (*writer).amount, read: (*reader).amount,
	}
	categoryRows = layout[uint64, Category]{
		id: 7, resident: true, compare: cmp.Compare[uint64], writeKey: (*writer).number, readKey: (*reader).number,
		write: (*writer).category, read: (*reader).category,
	}
	resourceRows = layout[Address, Resource]{
		id: 8, compare: compareAddresses, writeKey: (*writer).address, readKey: (*reader).address, write: (*writer).resource, read: (*reader).resource,
	}
	orderRows = layout[Hash, Order]{
		id: 9, compare: compareHashes, writeKey: (*writer).hash, readKey: (*reader).hash, write: (*writer).order, read: (*reader).order,
	}
	totalRows = layout[struct{}, totals]{
		id: 10, resident: true, writeKey: (*writer).nothing, readKey: (*reader).nothing, write: (*writer).totals, read: (*reader).totals,
	}
)
