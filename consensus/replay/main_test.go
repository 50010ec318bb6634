package replay_test

import (
	"fmt"
	"os"
	"testing"

	"assay/consensus/poco/pocotest"
)

func TestMain(m *testing.M) {
	if err := pocotest.Seed(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
