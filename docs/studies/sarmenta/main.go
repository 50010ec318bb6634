// Command sarmenta computes and draws everything in docs/studies/sarmenta.md: how often
// PoCo accepts a wrong result, by trust, by the share of liars and by what they do, in
// fleets of simulated workers that contribute to the rules of package poco; and beside it
// what Sarmenta's formulas say. Every number follows from the seed.
//
//	go run ./docs/studies/sarmenta [-out DIR] [-seed N] [-tasks N]
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	s := study{}
	flag.StringVar(&s.dir, "out", "docs/studies/sarmenta", "folder to write figures (SVG) and data (CSV) to")
	flag.Uint64Var(&s.seed, "seed", 2002, "everything follows from it")
	flag.IntVar(&s.tasks, "tasks", 10_000, "tasks for each simulated point of the figures of newcomers")
	flag.IntVar(&s.lives, "lives", 20, "simulated fleets for each curve of the figures of fleets")
	flag.Parse()
	if err := s.run(); err != nil {
		fmt.Fprintln(os.Stderr, "sarmenta:", err)
		os.Exit(1)
	}
}
