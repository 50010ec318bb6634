package workers

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

func TestParseBehaviour(t *testing.T) {
	for text, want := range map[string]Behaviour{
		"honest": {}, "lying": {Conduct: Lying}, "lying:a": {Conduct: Lying, Gang: "a"},
		"silent": {Conduct: Silent}, "late": {Conduct: Late}, "shy": {Conduct: Shy},
	} {
		if got, err := ParseBehaviour(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
		if want.Gang == "" && want.Conduct.String() != text {
			t.Errorf("%q is written %q", text, want.Conduct)
		}
	}
	for _, text := range []string{"", "Honest", "honest:a", "lazy"} {
		if got, err := ParseBehaviour(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestDigests(t *testing.T) {
	a, b := common.Address{1}, common.Address{2}
	task, result := common.Hash{3}, []byte("result")
	truth := crypto.Keccak256Hash(result)
	liar, gang := Behaviour{Conduct: Lying}, Behaviour{Conduct: Lying, Gang: "g"}
	for _, honest := range []Behaviour{{}, {Conduct: Late}, {Conduct: Shy}} {
		if honest.Digest(a, task, result) != truth {
			t.Errorf("%s does not tell the truth", honest.Conduct)
		}
	}
	if liar.Digest(a, task, result) == truth || liar.Digest(a, task, result) == liar.Digest(b, task, result) {
		t.Error("liars tell the truth, or agree")
	}
	if liar.Digest(a, task, result) != liar.Digest(a, task, result) {
		t.Error("a liar does not stick to its lie")
	}
	if gang.Digest(a, task, result) == truth || gang.Digest(a, task, result) != gang.Digest(b, task, result) {
		t.Error("a gang tells the truth, or disagrees")
	}
	if gang.Digest(a, task, result) == gang.Digest(a, common.Hash{4}, result) {
		t.Error("a gang tells the same lie about every task")
	}
}
