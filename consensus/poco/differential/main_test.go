package differential

import (
	"fmt"
	"os"
	"testing"

	"assay/consensus/poco/pocotest"
)

func TestMain(m *testing.M) {
	if os.Getenv("DURATION") != "" {
		os.Exit(m.Run()) // other histories in every round
	}
	if err := pocotest.Seed(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
