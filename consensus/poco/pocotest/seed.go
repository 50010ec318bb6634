package pocotest

import (
	"flag"
	"fmt"
)

// Seed makes rapid draw the same histories in every run, unless the command line names
// another -rapid.seed. Call it in TestMain, before flags are parsed.
func Seed() error {
	if err := flag.Set("rapid.seed", "1"); err != nil {
		return fmt.Errorf("seeding rapid: %w", err)
	}
	return nil
}
