package subgraph

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
)

// lenient takes the document from gqlgen before it is validated, as graph-node validates
// next to nothing and has clients that rely on it, and leaves a trivial one instead.
type lenient struct{ *server }

var _ interface {
	graphql.HandlerExtension
	graphql.OperationParameterMutator
} = lenient{}

// ExtensionName names the extension to gqlgen.
func (lenient) ExtensionName() string { return "Lenient" }

// Validate accepts every schema.
func (lenient) Validate(graphql.ExecutableSchema) error { return nil }

// prepared is a planned operation, or why there is none.
type prepared struct {
	planner *planner
	roots   []*selection
	faults  gqlerror.List
}

const preparedKey = "Prepared"

// MutateOperationParameters plans the operation.
func (l lenient) MutateOperationParameters(ctx context.Context, request *graphql.RawParams) *gqlerror.Error {
	graphql.GetOperationContext(ctx).Stats.SetExtension(preparedKey, l.prepare(ctx, request))
	request.Query, request.OperationName, request.Variables = "{ __typename }", "", nil
	return nil
}

func (l lenient) prepare(ctx context.Context, request *graphql.RawParams) *prepared {
	document, err := l.parse(ctx, request.Query)
	if err != nil {
		return &prepared{faults: gqlerror.List{err}}
	}
	operation := document.Operations.ForName(request.OperationName)
	if request.OperationName == "" && len(document.Operations) > 1 || len(document.Operations) == 0 {
		return &prepared{faults: gqlerror.List{fault(nil, "Operation name required")}}
	}
	if operation == nil {
		return &prepared{faults: gqlerror.List{fault(nil, "Operation name not found `%s`", request.OperationName)}}
	}
	if err := measure(document, operation, l.Limits); err != nil {
		return &prepared{faults: gqlerror.List{err}}
	}
	return l.definition.prepare(l.schema, document, operation, request.Variables)
}

func (l lenient) parse(ctx context.Context, query string) (*ast.QueryDocument, *gqlerror.Error) {
	if known, found := l.documents.Get(ctx, query); found {
		return known, nil
	}
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, l.Limits.Tokens)
	if err == nil {
		l.documents.Add(ctx, query, document)
		return document, nil
	}
	var refused *gqlerror.Error
	if errors.As(err, &refused) {
		return nil, refused
	}
	return nil, fault(nil, "the query cannot be parsed")
}
