package wire

import (
	"bytes"
	"fmt"

	"assay/consensus/poco"
	"assay/schema/assaypb"
)

// FieldError says which field of a message cannot be read.
type FieldError struct {
	Field  string // message.field, as in the schema
	Reason string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// FromProto returns the event that a message carries, nil for one without meaning to the
// rules (a broadcast order, a change of ownership, an unknown log). What has to be
// attached but is not is zero or nil; Evolve says so where it matters. The error is a
// *FieldError. The event shares no memory with the message.
func FromProto(m *assaypb.Event) (poco.Event, error) {
	r := &reader{}
	event := r.money(m)
	if r.err != nil {
		return nil, r.err
	}
	return event, nil
}

// reader reads fields and keeps the first error.
type reader struct{ err error }

func (r *reader) fail(field, format string, args ...any) {
	if r.err == nil {
		r.err = &FieldError{Field: field, Reason: fmt.Sprintf(format, args...)}
	}
}

func (r *reader) address(field string, b []byte) (a poco.Address) {
	r.fixed(field, a[:], b)
	return a
}

func (r *reader) hash(field string, b []byte) (h poco.Hash) {
	r.fixed(field, h[:], b)
	return h
}

func (r *reader) fixed(field string, to, from []byte) {
	if len(from) != len(to) {
		r.fail(field, "%d bytes, want %d", len(from), len(to))
		return
	}
	copy(to, from)
}

// attachedHash is a hash that may be missing.
func (r *reader) attachedHash(field string, b []byte) poco.Hash {
	if len(b) == 0 {
		return poco.Hash{}
	}
	return r.hash(field, b)
}

// attachedAddress is an address that may be missing.
func (r *reader) attachedAddress(field string, b []byte) poco.Address {
	if len(b) == 0 {
		return poco.Address{}
	}
	return r.address(field, b)
}

func (r *reader) amount(field string, b []byte) (a poco.Amount) {
	switch {
	case len(b) > 32:
		r.fail(field, "%d bytes, want at most 32", len(b))
	case len(b) > 0 && b[0] == 0:
		r.fail(field, "leading zero")
	default:
		a.SetBytes(b)
	}
	return a
}

func (r *reader) orderKind(field string, k assaypb.OrderKind) poco.OrderKind {
	if k < assaypb.OrderKind_ORDER_KIND_APP || k > assaypb.OrderKind_ORDER_KIND_REQUEST {
		r.fail(field, "no kind of order: %d", k)
		return 0
	}
	return poco.OrderKind(k)
}

func (r *reader) resourceKind(field string, k assaypb.ResourceKind) poco.ResourceKind {
	if k < assaypb.ResourceKind_RESOURCE_KIND_APP || k > assaypb.ResourceKind_RESOURCE_KIND_WORKERPOOL {
		r.fail(field, "no kind of resource: %d", k)
		return 0
	}
	return poco.ResourceKind(k)
}

func (r *reader) money(m *assaypb.Event) poco.Event {
	switch body := m.GetBody().(type) {
	case *assaypb.Event_Transfer:
		e := body.Transfer
		return poco.Transfer{From: r.address("transfer.from", e.GetFrom()),
			To: r.address("transfer.to", e.GetTo()), Value: r.amount("transfer.value", e.GetValue())}
	case *assaypb.Event_Approval:
		e := body.Approval
		return poco.Approval{Owner: r.address("approval.owner", e.GetOwner()),
			Spender: r.address("approval.spender", e.GetSpender()), Value: r.amount("approval.value", e.GetValue())}
	case *assaypb.Event_Lock:
		e := body.Lock
		return poco.Lock{Owner: r.address("lock.owner", e.GetOwner()), Amount: r.amount("lock.amount", e.GetAmount())}
	case *assaypb.Event_Unlock:
		e := body.Unlock
		return poco.Unlock{Owner: r.address("unlock.owner", e.GetOwner()), Amount: r.amount("unlock.amount", e.GetAmount())}
	case *assaypb.Event_Reward:
		e := body.Reward
		return poco.Reward{Owner: r.address("reward.owner", e.GetOwner()),
			Amount: r.amount("reward.amount", e.GetAmount()), Ref: r.hash("reward.ref", e.GetRef())}
	case *assaypb.Event_Seize:
		e := body.Seize
		return poco.Seize{Owner: r.address("seize.owner", e.GetOwner()),
			Amount: r.amount("seize.amount", e.GetAmount()), Ref: r.hash("seize.ref", e.GetRef())}
	default:
		return r.task(m)
	}
}

func (r *reader) task(m *assaypb.Event) poco.Event {
	switch body := m.GetBody().(type) {
	case *assaypb.Event_TaskInitialize:
		e := body.TaskInitialize
		return poco.TaskInitialize{Task: r.hash("task_initialize.task", e.GetTask()),
			Workerpool: r.address("task_initialize.workerpool", e.GetWorkerpool()),
			Deal:       r.attachedHash("task_initialize.deal", e.GetDeal()),
			Index:      r.amount("task_initialize.index", e.GetIndex())}
	case *assaypb.Event_TaskContribute:
		e := body.TaskContribute
		return poco.TaskContribute{Task: r.hash("task_contribute.task", e.GetTask()),
			Worker:           r.address("task_contribute.worker", e.GetWorker()),
			ResultHash:       r.hash("task_contribute.result_hash", e.GetResultHash()),
			ResultSeal:       r.hash("task_contribute.result_seal", e.GetResultSeal()),
			EnclaveChallenge: r.address("task_contribute.enclave_challenge", e.GetEnclaveChallenge())}
	case *assaypb.Event_TaskConsensus:
		e := body.TaskConsensus
		return poco.TaskConsensus{Task: r.hash("task_consensus.task", e.GetTask()),
			Consensus: r.hash("task_consensus.consensus", e.GetConsensus())}
	case *assaypb.Event_TaskReveal:
		e := body.TaskReveal
		return poco.TaskReveal{Task: r.hash("task_reveal.task", e.GetTask()),
			Worker: r.address("task_reveal.worker", e.GetWorker()), Digest: r.hash("task_reveal.digest", e.GetDigest())}
	case *assaypb.Event_TaskReopen:
		return poco.TaskReopen{Task: r.hash("task_reopen.task", body.TaskReopen.GetTask())}
	case *assaypb.Event_TaskFinalize:
		e := body.TaskFinalize
		return poco.TaskFinalize{Task: r.hash("task_finalize.task", e.GetTask()),
			Results: bytes.Clone(e.GetResults()), ResultsCallback: bytes.Clone(e.GetResultsCallback())}
	case *assaypb.Event_TaskClaimed:
		return poco.TaskClaimed{Task: r.hash("task_claimed.task", body.TaskClaimed.GetTask())}
	case *assaypb.Event_AccurateContribution:
		e := body.AccurateContribution
		return poco.AccurateContribution{Worker: r.address("accurate_contribution.worker", e.GetWorker()),
			Task: r.hash("accurate_contribution.task", e.GetTask())}
	case *assaypb.Event_FaultyContribution:
		e := body.FaultyContribution
		return poco.FaultyContribution{Worker: r.address("faulty_contribution.worker", e.GetWorker()),
			Task: r.hash("faulty_contribution.task", e.GetTask())}
	default:
		return r.market(m)
	}
}

func (r *reader) market(m *assaypb.Event) poco.Event {
	switch body := m.GetBody().(type) {
	case *assaypb.Event_CreateCategory:
		e := body.CreateCategory
		return poco.CreateCategory{ID: r.amount("create_category.category", e.GetCategory()),
			Name: e.GetName(), Description: e.GetDescription(),
			WorkClockTimeRef: r.amount("create_category.work_clock_time_ref", e.GetWorkClockTimeRef())}
	case *assaypb.Event_SchedulerNotice:
		e := body.SchedulerNotice
		return poco.SchedulerNotice{Workerpool: r.address("scheduler_notice.workerpool", e.GetWorkerpool()),
			Deal: r.hash("scheduler_notice.deal", e.GetDeal())}
	case *assaypb.Event_OrdersMatched:
		return r.ordersMatched(body.OrdersMatched)
	case *assaypb.Event_DealSponsored:
		e := body.DealSponsored
		return poco.DealSponsored{Deal: r.hash("deal_sponsored.deal", e.GetDeal()),
			Sponsor: r.address("deal_sponsored.sponsor", e.GetSponsor())}
	case *assaypb.Event_OrderSigned:
		e := body.OrderSigned
		return poco.OrderSigned{Kind: r.orderKind("order_signed.kind", e.GetKind()),
			Hash: r.hash("order_signed.hash", e.GetHash()), Signer: r.attachedAddress("order_signed.signer", e.GetSigner())}
	case *assaypb.Event_OrderClosed:
		e := body.OrderClosed
		return poco.OrderClosed{Kind: r.orderKind("order_closed.kind", e.GetKind()),
			Hash: r.hash("order_closed.hash", e.GetHash()), Volume: r.amount("order_closed.volume", e.GetVolume())}
	case *assaypb.Event_ResourceTransfer:
		return r.resourceTransfer(body.ResourceTransfer)
	case *assaypb.Event_PolicyUpdate:
		return r.policyUpdate(body.PolicyUpdate)
	default:
		return r.boost(m)
	}
}

func (r *reader) boost(m *assaypb.Event) poco.Event {
	switch body := m.GetBody().(type) {
	case *assaypb.Event_SchedulerNoticeBoost:
		e := body.SchedulerNoticeBoost
		return poco.SchedulerNoticeBoost{
			Workerpool: r.address("scheduler_notice_boost.workerpool", e.GetWorkerpool()),
			Deal:       r.hash("scheduler_notice_boost.deal", e.GetDeal()),
			App:        r.address("scheduler_notice_boost.app", e.GetApp()),
			Dataset:    r.address("scheduler_notice_boost.dataset", e.GetDataset()),
			Category:   r.amount("scheduler_notice_boost.category", e.GetCategory()),
			Tag:        r.hash("scheduler_notice_boost.tag", e.GetTag()), Params: e.GetParams(),
			Beneficiary: r.address("scheduler_notice_boost.beneficiary", e.GetBeneficiary())}
	case *assaypb.Event_ResultPushedBoost:
		e := body.ResultPushedBoost
		return poco.ResultPushedBoost{Deal: r.hash("result_pushed_boost.deal", e.GetDeal()),
			Index: r.amount("result_pushed_boost.index", e.GetIndex()), Results: bytes.Clone(e.GetResults())}
	case *assaypb.Event_DealSponsoredBoost:
		e := body.DealSponsoredBoost
		return poco.DealSponsoredBoost{Deal: r.hash("deal_sponsored_boost.deal", e.GetDeal()),
			Sponsor: r.address("deal_sponsored_boost.sponsor", e.GetSponsor())}
	default:
		return nil
	}
}

func (r *reader) ordersMatched(e *assaypb.OrdersMatched) poco.Event {
	matched := poco.OrdersMatched{
		Deal:           r.hash("orders_matched.deal", e.GetDeal()),
		AppHash:        r.hash("orders_matched.app_hash", e.GetAppHash()),
		DatasetHash:    r.hash("orders_matched.dataset_hash", e.GetDatasetHash()),
		WorkerpoolHash: r.hash("orders_matched.workerpool_hash", e.GetWorkerpoolHash()),
		RequestHash:    r.hash("orders_matched.request_hash", e.GetRequestHash()),
		Volume:         r.amount("orders_matched.volume", e.GetVolume()),
	}
	if e.GetBody() != nil {
		matched.Body = r.deal(e.GetBody())
	}
	return matched
}

func (r *reader) resourceTransfer(e *assaypb.ResourceTransfer) poco.Event {
	transfer := poco.ResourceTransfer{
		Kind:     r.resourceKind("resource_transfer.kind", e.GetKind()),
		From:     r.address("resource_transfer.from", e.GetFrom()),
		To:       r.address("resource_transfer.to", e.GetTo()),
		Resource: r.address("resource_transfer.resource", e.GetResource()),
	}
	if e.GetBody() != nil {
		transfer.Body = r.resource(e.GetBody())
	}
	return transfer
}

func (r *reader) policyUpdate(e *assaypb.PolicyUpdate) poco.Event {
	return poco.PolicyUpdate{
		Workerpool:              r.address("policy_update.workerpool", e.GetWorkerpool()),
		OldWorkerStakeRatio:     r.amount("policy_update.old_worker_stake_ratio", e.GetOldWorkerStakeRatio()),
		NewWorkerStakeRatio:     r.amount("policy_update.new_worker_stake_ratio", e.GetNewWorkerStakeRatio()),
		OldSchedulerRewardRatio: r.amount("policy_update.old_scheduler_reward_ratio", e.GetOldSchedulerRewardRatio()),
		NewSchedulerRewardRatio: r.amount("policy_update.new_scheduler_reward_ratio", e.GetNewSchedulerRewardRatio()),
	}
}

// DealFromProto returns the deal that a message carries. The error is a *FieldError.
func DealFromProto(m *assaypb.Deal) (*poco.Deal, error) {
	r := &reader{}
	deal := r.deal(m)
	if r.err != nil {
		return nil, r.err
	}
	return deal, nil
}

func (r *reader) deal(m *assaypb.Deal) *poco.Deal {
	return &poco.Deal{
		App:                  r.priced("deal.app", m.GetApp()),
		Dataset:              r.priced("deal.dataset", m.GetDataset()),
		Workerpool:           r.priced("deal.workerpool", m.GetWorkerpool()),
		Trust:                r.amount("deal.trust", m.GetTrust()),
		Category:             r.amount("deal.category", m.GetCategory()),
		Tag:                  r.hash("deal.tag", m.GetTag()),
		Requester:            r.address("deal.requester", m.GetRequester()),
		Beneficiary:          r.address("deal.beneficiary", m.GetBeneficiary()),
		Callback:             r.address("deal.callback", m.GetCallback()),
		Params:               m.GetParams(),
		StartTime:            m.GetStartTime(),
		BotFirst:             m.GetBotFirst(),
		BotSize:              m.GetBotSize(),
		WorkerStake:          r.amount("deal.worker_stake", m.GetWorkerStake()),
		SchedulerRewardRatio: r.amount("deal.scheduler_reward_ratio", m.GetSchedulerRewardRatio()),
		Sponsor:              r.address("deal.sponsor", m.GetSponsor()),
		Boost:                m.GetBoost(),
	}
}

func (r *reader) priced(field string, m *assaypb.Priced) poco.Priced {
	return poco.Priced{
		Pointer: r.address(field+".pointer", m.GetPointer()),
		Owner:   r.address(field+".owner", m.GetOwner()),
		Price:   r.amount(field+".price", m.GetPrice()),
	}
}

func (r *reader) resource(m *assaypb.Resource) *poco.Resource {
	return &poco.Resource{
		Name: m.GetName(), Type: m.GetType(), Multiaddr: bytes.Clone(m.GetMultiaddr()),
		Checksum:  r.attachedHash("resource.checksum", m.GetChecksum()),
		MREnclave: bytes.Clone(m.GetMrenclave()),
	}
}
