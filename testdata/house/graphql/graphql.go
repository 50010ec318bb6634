// Package graphql looks behind the database, and uses what is for tests.
package graphql

import (
	_ "assay/consensus/poco/pocotest"
	_ "assay/indexer"
)
