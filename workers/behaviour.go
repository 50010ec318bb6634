package workers

import (
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Conduct is how a worker treats its pool.
type Conduct uint8

// The conducts. All send heartbeats.
const (
	Honest Conduct = iota
	Lying          // contributes a wrong result
	Silent         // takes assignments and never answers
	Late           // answers when the contribution deadline has passed
	Shy            // contributes and never reveals
)

var conducts = []string{"honest", "lying", "silent", "late", "shy"}

func (c Conduct) String() string {
	if int(c) < len(conducts) {
		return conducts[c]
	}
	return fmt.Sprintf("conduct %d", uint8(c))
}

// Behaviour is a worker's conduct; the zero value is honest.
type Behaviour struct {
	Conduct Conduct
	Gang    string // liars of one gang tell the same lie; without a gang each tells its own
}

// ParseBehaviour reads "honest", "lying", "silent", "late", "shy" or "lying:GANG".
func ParseBehaviour(text string) (Behaviour, error) {
	name, gang, _ := strings.Cut(text, ":")
	for i, known := range conducts {
		if name == known && (gang == "" || Conduct(i) == Lying) {
			return Behaviour{Conduct: Conduct(i), Gang: gang}, nil
		}
	}
	return Behaviour{}, fmt.Errorf("no behaviour %q: use one of %s, or lying:GANG", text, strings.Join(conducts, ", "))
}

// Digest is what a worker says that its result hashes to.
func (b Behaviour) Digest(worker common.Address, task common.Hash, result []byte) common.Hash {
	switch {
	case b.Conduct != Lying:
		return crypto.Keccak256Hash(result)
	case b.Gang != "":
		return crypto.Keccak256Hash([]byte("gang"), []byte(b.Gang), task[:])
	default:
		return crypto.Keccak256Hash([]byte("lie"), worker[:], task[:])
	}
}
