// Command assay may import every room.
package main

import (
	_ "assay/graphql"
	_ "assay/workers"
)
