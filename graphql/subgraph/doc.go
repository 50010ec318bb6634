// Package subgraph serves a subgraph as graph-node would, so that its clients need only
// another address: schema, documents that graph-node takes, answers, and errors in its
// words.
//
// A file of entity definitions says what the subgraph holds (definition.go). The served
// schema follows from it (schema.go, names.go). An operation is planned as leniently as
// graph-node does (lenient.go, plan.go, value.go, filter.go) and read from ClickHouse level
// by level: one statement for each field that leads to entities, whatever the number of
// parents (compile.go, execute.go). All of an answer belongs to one indexed head, or to
// the block that was asked for (head.go, respond.go, answer.go). Questions about the schema
// are answered from the schema (introspect.go).
//
// gqlgen's server runs it (server.go), with a schema that is made when the program starts.
package subgraph
