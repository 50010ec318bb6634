package contracts

import (
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func knownBinding() Binding {
	return Binding{
		ChainID:          134,
		Hub:              common.HexToAddress("0x3eca1B216A7DF1C7689aEb259fFB83ADFB894E7f"),
		Task:             common.BigToHash(big.NewInt(1)),
		Worker:           common.BigToAddress(big.NewInt(2)),
		EnclaveChallenge: common.BigToAddress(big.NewInt(3)),
		ResultHash:       common.BigToHash(big.NewInt(4)),
		ResultSeal:       common.BigToHash(big.NewInt(5)),
		Anchor:           common.BigToHash(big.NewInt(6)),
	}
}

// The answer was computed by an independent implementation of the layout.
func TestBindingHasTheKnownAnswer(t *testing.T) {
	want := "fe39f47b9fe35ec5b0f9e97c4d60805323132381c2936aef3b15c784ee670856" +
		"0000000000000000000000000000000000000003" + "0000000000000000" + "45423031"
	data := knownBinding().ReportData()
	if got := hex.EncodeToString(data[:]); got != want {
		t.Fatalf("report data is\n%s, want\n%s", got, want)
	}
}

func TestBindingDependsOnEveryField(t *testing.T) {
	changes := map[string]func(*Binding){
		"chain":     func(b *Binding) { b.ChainID++ },
		"hub":       func(b *Binding) { b.Hub[0]++ },
		"task":      func(b *Binding) { b.Task[31]++ },
		"worker":    func(b *Binding) { b.Worker[19]++ },
		"challenge": func(b *Binding) { b.EnclaveChallenge[19]++ },
		"hash":      func(b *Binding) { b.ResultHash[0]++ },
		"seal":      func(b *Binding) { b.ResultSeal[0]++ },
		"anchor":    func(b *Binding) { b.Anchor[0]++ },
	}
	original := knownBinding().ReportData()
	for name, change := range changes {
		changed := knownBinding()
		change(&changed)
		data := changed.ReportData()
		if [32]byte(data[:32]) == [32]byte(original[:32]) {
			t.Errorf("the hash does not depend on the %s", name)
		}
	}
}
