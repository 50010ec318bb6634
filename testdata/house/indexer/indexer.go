// Package indexer is as it should be.
package indexer

import _ "assay/consensus/poco"
