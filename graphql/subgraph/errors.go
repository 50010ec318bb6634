package subgraph

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// The errors below are the client's to see, in graph-node's words (its
// graph/src/data/query/error.rs), for there are clients that read them.

func fault(at *ast.Position, format string, args ...any) *gqlerror.Error {
	err := &gqlerror.Error{Message: fmt.Sprintf(format, args...)}
	if at != nil {
		err.Locations = []gqlerror.Location{{Line: at.Line, Column: at.Column}}
	}
	return err
}

func notSupported(operation *ast.OperationDefinition) *gqlerror.Error {
	kinds := "Mutations"
	if operation.Operation == ast.Subscription {
		kinds = "Subscriptions"
	}
	return fault(nil, "Not supported: %s are not supported", kinds)
}

func unknownField(at *ast.Position, of, name string) *gqlerror.Error {
	return fault(at, "Type `%s` has no field `%s`", of, name)
}

func unknownType(name string) *gqlerror.Error {
	return fault(nil, "Failed to resolve named type `%s`", name)
}

func invalidArgument(at *ast.Position, name string, v any) *gqlerror.Error {
	return fault(at, "Invalid value provided for argument `%s`: %s", name, rustText(v))
}

func missingArgument(at *ast.Position, name string) *gqlerror.Error {
	return fault(at, "No value provided for required argument: `%s`", name)
}

func outOfRange(name string, most int64, given string) *gqlerror.Error {
	return fault(nil, "The `%s` argument must be between 0 and %d, but is %s", name, most, given)
}

func undecodable(kind, why string) *gqlerror.Error {
	return fault(nil, "Failed to decode `%s` value: `%s`", kind, why)
}

func noFilter() *gqlerror.Error { return fault(nil, "Filter must by an object") }

func unsupportedFilter(operator string, v any) *gqlerror.Error {
	return fault(nil, "Store error: unsupported filter `%s` for value `%s`", operator, plain(v))
}

func nullValue(at *ast.Position, name string) *gqlerror.Error {
	return fault(at, "Null value resolved for non-null field `%s`", name)
}

func ambiguous(at *ast.Position, field, target, from string) *gqlerror.Error {
	return fault(at, "Ambiguous result for derived field `%s`: Multiple `%s` entities refer back via `%s`", field, target, from)
}

func notYet(argument, deployment string, head, asked uint64) *gqlerror.Error {
	return undecodable(argument, fmt.Sprintf("subgraph %s has only indexed up to block number %d and data for block number %d is therefore not yet available",
		deployment, head, asked))
}
