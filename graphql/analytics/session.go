package analytics

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// session surrounds operations and responses: it gives each response its loaders, its
// budget and its time, counts what happens, and tells a client why its stream ended.
type session struct {
	limits  Limits
	metrics *metrics
	wait    time.Duration // how long loaders wait for more keys
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationInterceptor
	graphql.ResponseInterceptor
} = session{}

// ExtensionName names the extension to gqlgen.
func (session) ExtensionName() string { return "Session" }

// Validate accepts every schema.
func (session) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptOperation refuses an operation when its connection has too many under way.
func (s session) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	if active, ok := ctx.Value(operationsKey{}).(*atomic.Int64); ok {
		if active.Add(1) > int64(s.limits.Operations) {
			active.Add(-1)
			return graphql.OneShot(failure(errOperations))
		}
		context.AfterFunc(ctx, func() { active.Add(-1) })
	}
	return next(context.WithValue(ctx, endingKey{}, new(ending)))
}

// InterceptResponse surrounds a query's response, or one event of a subscription.
func (s session) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	start := time.Now()
	operation := operationOf(ctx)
	ctx = withBudget(withLoaders(ctx, s.wait), s.limits.Statements)
	if operation != ast.Subscription {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.limits.Timeout)
		defer cancel()
	}
	response := next(ctx)
	if response == nil {
		response = lastWord(ctx)
	}
	if response != nil {
		s.metrics.response(string(operation), time.Since(start), len(response.Errors) > 0)
	}
	return response
}

func operationOf(ctx context.Context) ast.Operation {
	if !graphql.HasOperationContext(ctx) || graphql.GetOperationContext(ctx).Operation == nil {
		return "invalid"
	}
	return graphql.GetOperationContext(ctx).Operation.Operation
}

// operationsKey is of the number of operations under way on a connection.
type operationsKey struct{}

// ending is why a stream ended, until the client has been told.
type ending struct {
	why atomic.Pointer[graphql.Response]
}

type endingKey struct{}

// endWith notes why a stream ended. Not for streams that the client ended itself.
func endWith(ctx context.Context, why error) {
	e, ok := ctx.Value(endingKey{}).(*ending)
	if !ok || why == nil || errors.Is(why, context.Canceled) {
		return
	}
	told, _ := clientError(why)
	e.why.Store(failure(told))
}

// lastWord tells a client, once, why its stream ended.
func lastWord(ctx context.Context) *graphql.Response {
	if e, ok := ctx.Value(endingKey{}).(*ending); ok {
		return e.why.Swap(nil)
	}
	return nil
}

func failure(why *refusal) *graphql.Response {
	err := &gqlerror.Error{Message: why.message}
	errcode.Set(err, why.code)
	return &graphql.Response{Errors: gqlerror.List{err}}
}
