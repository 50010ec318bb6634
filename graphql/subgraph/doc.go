// Package subgraph serves a subgraph as graph-node would.
package subgraph
