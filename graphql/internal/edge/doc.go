// Package edge stands between the web and a GraphQL endpoint. It lets any page on the
// web ask (cors.go), counts what each client asks for (clients.go), takes requests of a
// bounded size in a bounded time (body.go), answers what it has answered before while
// nothing new was indexed (cache.go), and bounds what streams may hold up (stream.go).
package edge
