package cli

import (
	"strings"
	"testing"

	"assay/consensus/secondopinion"
)

func TestWatchSaysThatThereIsNoSecondOpinion(t *testing.T) {
	if secondopinion.Built {
		t.Skip("built with ego")
	}
	command := New()
	command.SetArgs([]string{"attest", "watch", "--chain", "arbitrum-one"})
	if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "build it with the tag ego") {
		t.Errorf("got %v", err)
	}
}
