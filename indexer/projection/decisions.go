package projection

import (
	"fmt"

	"assay/schema/assaypb"
)

// Decisions turns the records of one chain's decisions log into rows. A decision that
// was written twice has the same id, so its rows are written over each other.
type Decisions struct{ Chain uint64 }

// Apply returns the rows of the decision at an offset of a partition.
func (d Decisions) Apply(partition uint32, offset uint64, decision *assaypb.Decision) (Rows, error) {
	if decision.ChainId != d.Chain {
		return Rows{}, fmt.Errorf("decision %x is of chain %d, not %d", decision.Id, decision.ChainId, d.Chain)
	}
	field, body := describe(decision.ProtoReflect(), "body")
	if field == nil {
		return Rows{}, fmt.Errorf("decision %x decides nothing that this version of Assay knows", decision.Id)
	}
	rows := Rows{Decisions: []Decision{{
		Chain: d.Chain, ID: hexOf(decision.Id), Kind: string(field.Name()), Workerpool: optionalHex(decision.Workerpool),
		Task: optionalHex(decision.Task), Worker: optionalHex(decision.Worker), Time: at(decision.Time),
		Body: body, Partition: partition, Version: offset,
	}}}
	if verdict := decision.GetVerdict(); verdict != nil {
		rows.Verdicts = []Verdict{d.verdict(decision, verdict, offset)}
		if attestation := verdict.Attestation; attestation != nil {
			rows.Attestations = []Attestation{d.attestation(decision, attestation, offset)}
		}
	}
	return rows, nil
}

func (d Decisions) verdict(decision *assaypb.Decision, verdict *assaypb.Verdict, offset uint64) Verdict {
	return Verdict{
		Chain: d.Chain, ID: hexOf(decision.Id), Workerpool: optionalHex(decision.Workerpool),
		Task: optionalHex(decision.Task), Worker: optionalHex(decision.Worker), Time: at(decision.Time),
		Outcome: enumName(verdict.Outcome.Descriptor(), verdict.Outcome.Number()),
		Reason:  enumName(verdict.Reason.Descriptor(), verdict.Reason.Number()),
		Detail:  verdict.Detail, Message: optionalHex(verdict.Message),
		ResultHash: optionalHex(verdict.ResultHash), EnclaveChallenge: optionalHex(verdict.EnclaveChallenge),
		Agreement: verdict.Agreement, QuoteHash: optionalHex(verdict.QuoteHash), MREnclave: verdict.Mrenclave,
		SourcePartition: verdict.Partition, SourceOffset: verdict.Offset, Version: offset,
	}
}
