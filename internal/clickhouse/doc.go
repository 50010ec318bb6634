// Package clickhouse is how the program reaches ClickHouse, and the ClickHouse it brings along.
//
// [Open] and [Migrate] speak to any ClickHouse over HTTP with clickhouse-go: a server at an
// address, or the embedded engine at its socket. The two differ in [Config] only.
//
// [StartEngine] runs the real engine, libchdb, in a child process: the program executes itself
// again, [ChildMain] takes over in the child, loads the library and serves ClickHouse's HTTP
// interface on a private unix socket (packages chdb and server). A process of its own keeps the
// engine's memory, threads and crashes away from the program. The child ends with its parent,
// however that ends, and a parent learns of its child's end by [Engine.Done].
package clickhouse
