package analytics

import (
	"context"

	"assay/graphql/analytics/generated"
	"assay/graphql/analytics/model"
	"assay/graphql/internal/database"
)

// attestationFields are the fields of Attestation that are read by themselves.
type attestationFields struct{ *reader }

var (
	attestationTable = database.Table{Name: "attestations", Time: "judged_at"}
	newestJudged     = []column{{"toUnixTimestamp(judged_at)", "UInt64"}, {"version", "UInt64"}, chainColumn, {"verdict", "String"}}

	attestations = list[model.Attestation]{
		name: "attestation", table: attestationTable, scope: "1", columns: database.Selection[model.Attestation](), descending: true, order: newestJudged,
	}
	acceptedAttestations = list[model.Attestation]{
		name: "accepted attestation", table: attestationTable, scope: "accepted", columns: attestations.columns, descending: true, order: newestJudged,
	}
	quotes = list[model.Quote]{
		name: "quote", table: attestationTable, scope: "1", columns: database.Selection[model.Quote](), descending: true, order: newestJudged,
	}

	attestationOfVerdict = nest[model.Attestation]{list: &attestations, column: "verdict", parent: func(a *model.Attestation) model.Key { return model.Key{Chain: a.Chain, ID: a.VerdictID} }}
	// The table has an index of this expression.
	attestationOfContribution = nest[model.Attestation]{list: &acceptedAttestations, column: "concat(task, worker)", parent: func(a *model.Attestation) model.Key {
		return model.Key{Chain: a.Chain, ID: a.TaskID + a.Worker}
	}}
	quoteOf = nest[model.Quote]{list: &quotes, column: "verdict", parent: func(q *model.Quote) model.Key { return model.Key{Chain: q.Chain, ID: q.VerdictID} }}
)

func (r *resolver) Attestation() generated.AttestationResolver { return attestationFields{r.reader} }

func (f verdictFields) Attestation(ctx context.Context, v *model.Verdict) (*model.Attestation, error) {
	return attestationOfVerdict.one(ctx, f.reader, model.Key{Chain: v.Chain, ID: v.ID})
}

func (f contributionFields) Attestation(ctx context.Context, c *model.Contribution) (*model.Attestation, error) {
	return attestationOfContribution.one(ctx, f.reader, model.Key{Chain: c.Chain, ID: c.TaskID + c.Worker})
}

// Quote is read by itself: it is larger than all else of the row.
func (f attestationFields) Quote(ctx context.Context, a *model.Attestation) (string, error) {
	quote, err := quoteOf.one(ctx, f.reader, model.Key{Chain: a.Chain, ID: a.VerdictID})
	if err != nil || quote == nil {
		return "0x", err
	}
	return quote.Quote, nil
}
