package ledger

import (
	"github.com/holiman/uint256"

	"assay/consensus/poco"
)

// poolStakeRatio is the percentage of its price that a workerpool stakes per task.
const poolStakeRatio = 30

var hundred = uint256.NewInt(100)

// The rules' arithmetic, as package poco checks it. What does not fit cannot have come
// from the contracts: it is told to expect and counts as 0.

func sum(expect func(bool), parts ...poco.Amount) (total poco.Amount) {
	for i := range parts {
		_, overflow := total.AddOverflow(&total, &parts[i])
		expect(!overflow)
	}
	return total
}

func difference(expect func(bool), x, y poco.Amount) (rest poco.Amount) {
	_, underflow := rest.SubOverflow(&x, &y)
	expect(!underflow)
	return rest
}
