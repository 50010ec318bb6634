package source

import "github.com/ethereum/go-ethereum/common"

// header is what the source keeps of a block's header.
type header struct {
	Number uint64
	Hash   common.Hash
	Parent common.Hash
	Time   uint64
}

// step is one block of the trail.
type step struct {
	header
	logged bool // the log holds the block, for it has events
}

// trail is the chain as the source knows it, block by block: from an anchor, which is
// final, to the newest block whose events are in the log. It is never empty.
type trail []step

func (t trail) anchor() header { return t[0].header }
func (t trail) top() header    { return t[len(t)-1].header }

// at returns the block with a number.
func (t trail) at(number uint64) (step, bool) {
	if number < t[0].Number || number > t.top().Number {
		return step{}, false
	}
	return t[number-t[0].Number], true
}

// has says whether a block is on the trail.
func (t trail) has(h header) bool {
	known, ok := t.at(h.Number)
	return ok && known.Hash == h.Hash
}

// cut returns the trail up to base and the blocks after it, newest first.
func (t trail) cut(base uint64) (kept trail, abandoned []step) {
	n := int(base-t[0].Number) + 1
	for i := len(t) - 1; i >= n; i-- {
		abandoned = append(abandoned, t[i])
	}
	return t[:n], abandoned
}

// prune drops what lies below a final block.
func (t trail) prune(final uint64) trail {
	if final <= t[0].Number {
		return t
	}
	drop := min(final, t.top().Number) - t[0].Number
	return append(trail(nil), t[drop:]...)
}

// linked says whether headers follow each other, the first one following base.
func linked(base header, headers []header) bool {
	for _, h := range headers {
		if h.Number != base.Number+1 || h.Parent != base.Hash {
			return false
		}
		base = h
	}
	return true
}
