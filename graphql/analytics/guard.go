package analytics

import (
	"context"
	"errors"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"assay/graphql/analytics/generated"
	"assay/graphql/analytics/model"
)

// guard refuses documents that would take long to check, let alone to answer. Fragments
// that spread others more than once grow with every level, and both validation and the
// count of complexity follow them: so it measures the document first, with a look at each
// fragment only once.
type guard struct{ limits Limits }

var _ interface {
	graphql.HandlerExtension
	graphql.OperationParameterMutator
} = guard{}

// ExtensionName names the extension to gqlgen.
func (guard) ExtensionName() string { return "Guard" }

// Validate accepts every schema.
func (guard) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters checks the document before gqlgen does more than hold it.
func (g guard) MutateOperationParameters(_ context.Context, request *graphql.RawParams) *gqlerror.Error {
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: request.Query}, g.limits.Tokens)
	if err != nil {
		var fault *gqlerror.Error
		if errors.As(err, &fault) {
			errcode.Set(fault, errcode.ParseFailed)
			return fault
		}
		return gqlerror.Errorf("the query cannot be parsed")
	}
	m := measurer{fragments: make(map[string]measure), document: document}
	for _, operation := range document.Operations {
		size := m.selections(operation.SelectionSet, false)
		if size.deferred {
			return limitError("@defer is not supported")
		}
		if size.depth > g.limits.Depth {
			return limitError("the query is %d levels deep, more than %d", size.depth, g.limits.Depth)
		}
		if size.fields > g.limits.Fields {
			return limitError("the query has more than %d fields, fragments spread out", g.limits.Fields)
		}
		if size.introspected > g.limits.Introspected {
			return limitError("the query asks for too much of the schema at once")
		}
	}
	return nil
}

func limitError(format string, args ...any) *gqlerror.Error {
	err := gqlerror.Errorf(format, args...)
	errcode.Set(err, codeLimit)
	return err
}

// measure is the size of a selection, fragments spread out.
type measure struct {
	depth        int // of fields, without those of the schema's description
	fields       int
	deferred     bool // whether @defer is used, for which our transports have no use
	introspected int  // about how many values of the schema's description it answers with
}

type measurer struct {
	document  *ast.QueryDocument
	fragments map[string]measure // measured, or begun if they spread themselves
}

// ceiling is where sizes stop growing.
const ceiling = 1 << 30

func (m *measurer) selections(set ast.SelectionSet, introspecting bool) (sum measure) {
	for _, selection := range set {
		var one measure
		switch s := selection.(type) {
		case *ast.Field:
			one = m.field(s, introspecting)
		case *ast.InlineFragment:
			one = m.selections(s.SelectionSet, introspecting)
			one.deferred = one.deferred || s.Directives.ForName("defer") != nil
		case *ast.FragmentSpread:
			one = m.fragment(s.Name, introspecting)
			one.deferred = one.deferred || s.Directives.ForName("defer") != nil
		}
		sum.deferred = sum.deferred || one.deferred
		sum.depth = max(sum.depth, one.depth)
		sum.fields = min(sum.fields+one.fields, ceiling)
		sum.introspected = min(sum.introspected+one.introspected, ceiling)
	}
	return sum
}

func (m *measurer) field(f *ast.Field, introspecting bool) measure {
	introspecting = introspecting || f.Name == "__schema" || f.Name == "__type"
	size := m.selections(f.SelectionSet, introspecting)
	size.fields++
	if introspecting {
		size.introspected = min((size.introspected+1)*fanOut(f.Name), ceiling)
	} else {
		size.depth++
	}
	return size
}

// fragment measures a fragment. One that spreads itself is refused by validation.
func (m *measurer) fragment(name string, introspecting bool) measure {
	key := name
	if introspecting {
		key = "introspecting " + name
	}
	if size, known := m.fragments[key]; known {
		return size
	}
	m.fragments[key] = measure{}
	if fragment := m.document.Fragments.ForName(name); fragment != nil {
		m.fragments[key] = m.selections(fragment.SelectionSet, introspecting)
	}
	return m.fragments[key]
}

// fanOut is about how many values a list of the schema's description has.
func fanOut(field string) int {
	switch field {
	case "types":
		return 60
	case "fields":
		return 12
	case "args", "inputFields", "enumValues", "directives":
		return 4
	}
	return 1
}

// costs weighs fields for the limit of complexity: a field costs one, and what is below a
// connection costs as often as it may have rows.
func costs() generated.ComplexityRoot {
	var c generated.ComplexityRoot
	c.Query.Deals = pageCost[*model.DealFilter]
	c.Query.Tasks = pageCost[*model.TaskFilter]
	c.Query.Contributions = pageCost[*model.ContributionFilter]
	c.Query.Verdicts = pageCost[*model.VerdictFilter]
	c.Query.Payouts = pageCost[*model.PayoutFilter]
	c.Query.Postings = pageCost[*model.PostingFilter]
	c.Query.Accounts = pageCost[*model.AccountFilter]
	c.Query.Workerpools = pageCost[*model.WorkerpoolFilter]
	c.Query.Apps = pageCost[*model.AppFilter]
	c.Query.Datasets = pageCost[*model.DatasetFilter]
	c.Query.Categories = pageCost[*model.CategoryFilter]
	c.Query.Events = pageCost[*model.EventFilter]
	c.Query.OrderEvents = pageCost[*model.OrderEventFilter]
	c.Query.Permissions = pageCost[*model.PermissionFilter]
	c.Query.MayUse = func(child int, _, _, _ *string, _ *uint64, first int, after *string, _ *model.AsOf) int {
		return rowsCost(child, first, after)
	}
	c.Dataset.Permissions = func(child, first int, after, _, _, _ *string, _ *bool, _ *model.AsOf) int {
		return rowsCost(child, first, after)
	}
	for _, nested := range []*func(int, int, *string, *model.AsOf) int{
		&c.Account.Payouts, &c.Account.Postings, &c.Account.Contributions, &c.Account.Verdicts, &c.Account.Deals,
		&c.Account.Apps, &c.Account.Datasets, &c.Account.Workerpools, &c.Account.History,
		&c.Deal.Tasks, &c.Deal.Payouts,
		&c.Task.Contributions, &c.Task.Verdicts, &c.Task.Payouts, &c.Settlement.Lines,
		&c.Workerpool.Deals, &c.Workerpool.Tasks, &c.Workerpool.Contributions, &c.Workerpool.Verdicts, &c.Workerpool.Payouts, &c.Workerpool.History,
		&c.App.Deals, &c.App.History, &c.Dataset.Deals, &c.Dataset.History, &c.Category.Deals, &c.DatasetPermission.Events, &c.Dataset.Uses, &c.Dataset.Earnings, &c.Dataset.Sales,
	} {
		*nested = func(child, first int, after *string, _ *model.AsOf) int { return rowsCost(child, first, after) }
	}
	for _, nested := range []*func(int, string, *time.Time, *time.Time, int, *string, *model.AsOf) int{
		&c.Account.RequesterSeries, &c.Account.WorkerSeries, &c.Workerpool.Series, &c.App.Series, &c.Dataset.Series, &c.Category.Series,
	} {
		*nested = func(child int, _ string, _, _ *time.Time, first int, _ *string, _ *model.AsOf) int {
			return pointsCost(child, first)
		}
	}
	c.Query.Leaderboard = func(child int, _, _ string, _ *uint64, _, _ *time.Time, first int, after *string, _ *model.AsOf) int {
		return rowsCost(child, first, after)
	}
	c.Query.Series = func(child int, _ string, _ *string, _ *uint64, _ string, _, _ *time.Time, first int, _ *string, _ *model.AsOf) int {
		return pointsCost(child, first)
	}
	c.Query.Kitty = func(child int, _ *uint64, _ string, _, _ *time.Time, first int, _ *string, _ *model.AsOf) int {
		return pointsCost(child, first)
	}
	c.Query.Cohorts = func(child int, _ string, _ *uint64, _ *model.AsOf) int { return pointsCost(child, monthsGuess) }
	c.Query.Churn = func(child int, _ string, _ *uint64, _ *model.AsOf) int { return pointsCost(child, monthsGuess) }
	return c
}

// monthsGuess is about how many months a marketplace is old.
const monthsGuess = 120

func pointsCost(child, first int) int {
	return min(min(child, ceiling)*max(1, min(first, maxPoints)), ceiling)
}

func pageCost[Filter any](child, first int, after *string, _ Filter, _ *model.AsOf) int {
	return rowsCost(child, first, after)
}

func rowsCost(child, first int, _ *string) int {
	return min(1+min(child, ceiling)*max(1, min(first, maxFirst)), ceiling)
}
