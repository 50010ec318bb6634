// Package subgraph holds the definitions of the subgraphs' entities, one file for each
// subgraph.
package subgraph

import _ "embed"

// PoCo defines the entities of the PoCo subgraph, in GraphQL's schema language.
//
//go:embed poco.graphql
var PoCo string

// DataProtector defines the entities of the DataProtector subgraph.
//
//go:embed dataprotector.graphql
var DataProtector string
