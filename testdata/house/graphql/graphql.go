// Package graphql looks behind the database.
package graphql

import _ "assay/indexer"
