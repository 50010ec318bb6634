package analytics

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// session surrounds operations and responses: it gives each response its loaders, its
// budget and its time, makes it again where the chain moved under it, counts what
// happens, and tells a client why its stream ended.
type session struct {
	limits  Limits
	reader  *reader
	metrics *metrics
	wait    time.Duration // how long loaders wait for more keys
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationInterceptor
	graphql.ResponseInterceptor
	graphql.FieldInterceptor
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
	ctx = context.WithValue(ctx, endingKey{}, new(ending))
	if operationOf(ctx) == ast.Subscription {
		return next(ctx)
	}
	if database.ReadingOf(ctx) == nil {
		ctx, _ = s.reader.Begin(ctx, s.limits.Fresh)
	}
	return s.consistently(next(ctx), func(ctx context.Context) graphql.ResponseHandler { return next(ctx) })
}

// consistently answers with what belongs to one head of each chain.
func (s session) consistently(answer graphql.ResponseHandler, again graphql.OperationHandler) graphql.ResponseHandler {
	answered := false
	return func(ctx context.Context) *graphql.Response {
		if answered {
			return nil
		}
		answered = true
		ctx, cancel := context.WithTimeout(ctx, s.limits.Timeout)
		defer cancel()
		reading := database.ReadingOf(ctx)
		for try := range tries {
			response := answer(ctx)
			stands, err := reading.Stands(ctx)
			switch {
			case err != nil && len(response.Errors) == 0:
				told, _ := clientError(err)
				response = failure(told)
			case err == nil && !stands && try == tries-1:
				response = failure(errReorganized)
			case err == nil && !stands:
				if reading.Busy() {
					pause(ctx, try)
				}
				reading.Again()
				answer = again(ctx)
				continue
			}
			if len(response.Errors) > 0 {
				reading.Fail()
			}
			return response
		}
		return nil
	}
}

// tries is how often a response is made, should the chain be reorganized each time.
const tries = 8

// pause gives a reorganization time to be written whole.
func pause(ctx context.Context, try int) {
	select {
	case <-time.After(10 * time.Millisecond << try):
	case <-ctx.Done():
	}
}

// InterceptResponse surrounds the making of a query's response, or of one event of a
// subscription.
func (s session) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	start := time.Now()
	operation := operationOf(ctx)
	ctx = s.reader.WithBudget(withLoaders(ctx, s.wait))
	if operation == ast.Subscription {
		var reading *database.Reading
		ctx, reading = s.reader.Begin(ctx, 0)
		reading.Again() // an event is made once: from the first it leaves out what is beyond the heads
	}
	text, past := new(atomic.Int64), new(sync.Map)
	ctx = context.WithValue(context.WithValue(ctx, textKey{}, text), pastKey{}, past)
	response := next(ctx)
	if response == nil {
		response = lastWord(ctx)
	}
	if response != nil && text.Load() > int64(s.limits.Answer) {
		response = failure(errAnswer)
	}
	if response != nil {
		s.describe(ctx, response, past)
		s.metrics.response(string(operation), time.Since(start), len(response.Errors) > 0)
	}
	return response
}

// textKey is of the number of bytes of a response's text values.
type textKey struct{}

// InterceptField counts the text of a response before it is put together: one long value
// may be asked for under many names.
func (s session) InterceptField(ctx context.Context, next graphql.Resolver) (any, error) {
	value, err := next(ctx)
	text, counts := ctx.Value(textKey{}).(*atomic.Int64)
	if counts && text.Add(textIn(value)) > int64(s.limits.Answer) {
		return nil, errAnswer
	}
	return value, err
}

func textIn(value any) int64 {
	switch v := value.(type) {
	case string:
		return int64(len(v))
	case *string:
		if v != nil {
			return int64(len(*v))
		}
	}
	return 0
}

// describe says at which blocks a response was read.
func (s session) describe(ctx context.Context, response *graphql.Response, past *sync.Map) {
	reading := database.ReadingOf(ctx)
	if reading == nil || reading.Seen() == nil || len(reading.Seen().Heads) == 0 {
		return
	}
	if response.Extensions == nil {
		response.Extensions = make(map[string]any)
	}
	heads := reading.Seen().Heads
	response.Extensions["indexed"] = model.MetaOf(heads).Chains
	if blocks := pastBlocks(ctx, s.reader, past, heads); len(blocks) > 0 {
		response.Extensions["asOf"] = blocks
	}
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
