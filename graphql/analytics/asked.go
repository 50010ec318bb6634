package analytics

import (
	"context"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// sumsAsked selects the sums that the client asks for below the field that is being resolved:
// each that is added up costs time. If it asks for none, the answer shows none.
func sumsAsked(ctx context.Context) string {
	operation := graphql.GetOperationContext(ctx)
	var sums []string
	var look func(graphql.CollectedField)
	look = func(field graphql.CollectedField) {
		if field.ObjectDefinition.Name == "Measures" && field.Name != "__typename" {
			sums = append(sums, sumsOf(field.Name)...)
		}
		for _, below := range graphql.CollectFields(operation, field.Selections, nil) {
			look(below)
		}
	}
	look(graphql.GetFieldContext(ctx).Field)
	if len(sums) == 0 {
		sums = []string{"Deals"} // a statement has to select something
	}
	slices.Sort(sums)
	return database.Selection[model.Measures](slices.Compact(sums)...)
}

// quotients are the fields of measures that are made of other sums than their own.
var quotients = map[string][]string{
	"successRate": {"Completed", "Claimed"},
	"accuracy":    {"Accurate", "Faulty"},
	"meanLatency": {"Latency", "Completed"},
}

// sumsOf are the fields of model.Measures that a field of the schema is made of.
func sumsOf(field string) []string {
	if sums := quotients[field]; sums != nil {
		return sums
	}
	own := strings.TrimSuffix(field, "RLC")
	return []string{strings.ToUpper(own[:1]) + own[1:]}
}
