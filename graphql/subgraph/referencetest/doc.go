// Package referencetest answers documents as graph-node would, slowly: a second, naive
// implementation of the subgraph's query semantics over plain states in memory. It is the
// oracle of the conformance tests, written from graph-node's behaviour (see the facts cited
// at each rule) and sharing nothing with the endpoint it judges but the entity definition.
//
// A World holds what every entity was at every block of a chain that can fork. Ask reads a
// document of one operation and answers with the JSON value of the response.
package referencetest
