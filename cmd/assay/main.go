// Command assay runs every role of Assay: see `assay --help`.
package main

import (
	"os"

	"assay/cmd/assay/cli"
	"assay/internal/clickhouse"
)

func main() {
	clickhouse.ChildMain()
	os.Exit(cli.Main(os.Args[1:], os.Stderr))
}
