package poco

import (
	"errors"

	"github.com/holiman/uint256"
)

// ErrOverflow is Solidity's panic 0x11: a uint256 would exceed its range.
var ErrOverflow = errors.New("arithmetic overflow")

var (
	one     = uint256.NewInt(1)
	two     = uint256.NewInt(2)
	three   = uint256.NewInt(3)
	hundred = uint256.NewInt(100)
)

// Weight is how much a worker's contribution counts: max(score/3, 3) − 1, where the
// division rounds down. New workers weigh 2, from a score of 12 on they weigh 3.
func Weight(score *Amount) Amount {
	var weight Amount
	weight.Div(score, three)
	if weight.Lt(three) {
		weight.Set(three)
	}
	weight.Sub(&weight, one)
	return weight
}

// logWeight is a worker's share in the reward, relative to the other winners: log2 of
// its weight, rounded up to PoCo 5.4 and down from 5.5 on.
func logWeight(weight *Amount, ceil bool) Amount {
	bits := weight.BitLen() - 1
	if ceil && bits >= 0 && !isPowerOfTwo(weight) {
		bits++
	}
	return *uint256.NewInt(uint64(max(bits, 0)))
}

func isPowerOfTwo(x *Amount) bool {
	var below Amount
	below.Sub(x, one)
	below.And(&below, x)
	return below.IsZero()
}

// Consensus is how much stands behind a result of a task, and behind all its results.
type Consensus struct {
	Group Amount // the product of the weights of the workers that agree, 0 without any
	Total Amount // 1 + the sum of the task's groups
}

// With returns the consensus after one more worker has contributed the result. The
// error is ErrOverflow, on which the contract reverts (IexecPoco2Facet.contribute).
func (c Consensus) With(weight *Amount) (Consensus, error) {
	var group, delta, total Amount
	group.Set(&c.Group)
	if group.IsZero() {
		group.Set(one)
	}
	if _, overflow := group.MulOverflow(&group, weight); overflow {
		return c, ErrOverflow
	}
	if _, underflow := delta.SubOverflow(&group, &c.Group); underflow {
		return c, ErrOverflow
	}
	if _, overflow := total.AddOverflow(&c.Total, &delta); overflow {
		return c, ErrOverflow
	}
	return Consensus{Group: group, Total: total}, nil
}

// Agrees says whether a group is a consensus: group·trust > total·(trust−1). Trust 1
// takes one contribution; trust t takes a result that is right with a probability of
// more than 1 − 1/t. The error is ErrOverflow (IexecPoco2Facet.checkConsensus).
func Agrees(trust, group, total *Amount) (bool, error) {
	var left, right, less Amount
	_, tooMuch := left.MulOverflow(group, trust)
	_, tooLittle := less.SubOverflow(trust, one)
	_, tooMuchToo := right.MulOverflow(total, &less)
	if tooMuch || tooLittle || tooMuchToo {
		return false, ErrOverflow
	}
	return left.Gt(&right), nil
}
