package poco

import "github.com/ethereum/go-ethereum/crypto"

// TaskID is the identity of a deal's task: keccak256(deal ‖ index).
func TaskID(deal Hash, index *Amount) Hash {
	word := index.Bytes32()
	return crypto.Keccak256Hash(deal[:], word[:])
}

// DealID is the identity of a deal: keccak256(request order's hash ‖ how much of it was
// consumed before).
func DealID(request Hash, consumed *Amount) Hash { return TaskID(request, consumed) }

// ResultHash commits to a result: keccak256(task ‖ digest).
func ResultHash(task, digest Hash) Hash { return crypto.Keccak256Hash(task[:], digest[:]) }

// ResultSeal commits a worker to a result: keccak256(worker ‖ task ‖ digest). It differs
// between workers, so that none can copy another's.
func ResultSeal(worker Address, task, digest Hash) Hash {
	return crypto.Keccak256Hash(worker[:], task[:], digest[:])
}
