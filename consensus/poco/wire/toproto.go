// Package wire turns the protocol's events into their messages in the chain log and
// back. Reading is strict: an address has 20 bytes, a hash 32, an amount at most 32 and
// no leading zero; anything else is an error that names the field.
package wire

import (
	"strings"

	"assay/consensus/poco"
	"assay/schema/assaypb"
)

// ToProto returns an event's message, without the place of its log. Text that is not
// UTF-8, which a message cannot carry, gets U+FFFD for each run of bytes that are not.
func ToProto(event poco.Event) *assaypb.Event {
	m := &assaypb.Event{}
	switch e := event.(type) {
	case poco.Transfer:
		m.Body = &assaypb.Event_Transfer{Transfer: &assaypb.Transfer{
			From: address(e.From), To: address(e.To), Value: amount(e.Value)}}
	case poco.Approval:
		m.Body = &assaypb.Event_Approval{Approval: &assaypb.Approval{
			Owner: address(e.Owner), Spender: address(e.Spender), Value: amount(e.Value)}}
	case poco.Lock:
		m.Body = &assaypb.Event_Lock{Lock: &assaypb.Lock{Owner: address(e.Owner), Amount: amount(e.Amount)}}
	case poco.Unlock:
		m.Body = &assaypb.Event_Unlock{Unlock: &assaypb.Unlock{Owner: address(e.Owner), Amount: amount(e.Amount)}}
	case poco.Reward:
		m.Body = &assaypb.Event_Reward{Reward: &assaypb.Reward{
			Owner: address(e.Owner), Amount: amount(e.Amount), Ref: hash(e.Ref)}}
	case poco.Seize:
		m.Body = &assaypb.Event_Seize{Seize: &assaypb.Seize{
			Owner: address(e.Owner), Amount: amount(e.Amount), Ref: hash(e.Ref)}}
	default:
		taskToProto(event, m)
	}
	return m
}

func taskToProto(event poco.Event, m *assaypb.Event) {
	switch e := event.(type) {
	case poco.TaskInitialize:
		m.Body = &assaypb.Event_TaskInitialize{TaskInitialize: &assaypb.TaskInitialize{
			Task: hash(e.Task), Workerpool: address(e.Workerpool), Deal: hash(e.Deal), Index: amount(e.Index)}}
	case poco.TaskContribute:
		m.Body = &assaypb.Event_TaskContribute{TaskContribute: &assaypb.TaskContribute{
			Task: hash(e.Task), Worker: address(e.Worker), ResultHash: hash(e.ResultHash),
			ResultSeal: hash(e.ResultSeal), EnclaveChallenge: address(e.EnclaveChallenge)}}
	case poco.TaskConsensus:
		m.Body = &assaypb.Event_TaskConsensus{TaskConsensus: &assaypb.TaskConsensus{
			Task: hash(e.Task), Consensus: hash(e.Consensus)}}
	case poco.TaskReveal:
		m.Body = &assaypb.Event_TaskReveal{TaskReveal: &assaypb.TaskReveal{
			Task: hash(e.Task), Worker: address(e.Worker), Digest: hash(e.Digest)}}
	case poco.TaskReopen:
		m.Body = &assaypb.Event_TaskReopen{TaskReopen: &assaypb.TaskReopen{Task: hash(e.Task)}}
	case poco.TaskFinalize:
		m.Body = &assaypb.Event_TaskFinalize{TaskFinalize: &assaypb.TaskFinalize{
			Task: hash(e.Task), Results: e.Results, ResultsCallback: e.ResultsCallback}}
	case poco.TaskClaimed:
		m.Body = &assaypb.Event_TaskClaimed{TaskClaimed: &assaypb.TaskClaimed{Task: hash(e.Task)}}
	case poco.AccurateContribution:
		m.Body = &assaypb.Event_AccurateContribution{AccurateContribution: &assaypb.AccurateContribution{
			Worker: address(e.Worker), Task: hash(e.Task)}}
	case poco.FaultyContribution:
		m.Body = &assaypb.Event_FaultyContribution{FaultyContribution: &assaypb.FaultyContribution{
			Worker: address(e.Worker), Task: hash(e.Task)}}
	default:
		marketToProto(event, m)
	}
}

func marketToProto(event poco.Event, m *assaypb.Event) {
	switch e := event.(type) {
	case poco.CreateCategory:
		m.Body = &assaypb.Event_CreateCategory{CreateCategory: &assaypb.CreateCategory{
			Category: amount(e.ID), Name: text(e.Name), Description: text(e.Description),
			WorkClockTimeRef: amount(e.WorkClockTimeRef)}}
	case poco.SchedulerNotice:
		m.Body = &assaypb.Event_SchedulerNotice{SchedulerNotice: &assaypb.SchedulerNotice{
			Workerpool: address(e.Workerpool), Deal: hash(e.Deal)}}
	case poco.OrdersMatched:
		m.Body = &assaypb.Event_OrdersMatched{OrdersMatched: &assaypb.OrdersMatched{
			Deal: hash(e.Deal), AppHash: hash(e.AppHash), DatasetHash: hash(e.DatasetHash),
			WorkerpoolHash: hash(e.WorkerpoolHash), RequestHash: hash(e.RequestHash),
			Volume: amount(e.Volume), Body: DealToProto(e.Body)}}
	case poco.DealSponsored:
		m.Body = &assaypb.Event_DealSponsored{DealSponsored: &assaypb.DealSponsored{
			Deal: hash(e.Deal), Sponsor: address(e.Sponsor)}}
	case poco.OrderSigned:
		m.Body = &assaypb.Event_OrderSigned{OrderSigned: &assaypb.OrderSigned{
			Kind: assaypb.OrderKind(e.Kind), Hash: hash(e.Hash), Signer: address(e.Signer)}}
	case poco.OrderClosed:
		m.Body = &assaypb.Event_OrderClosed{OrderClosed: &assaypb.OrderClosed{
			Kind: assaypb.OrderKind(e.Kind), Hash: hash(e.Hash), Volume: amount(e.Volume)}}
	case poco.ResourceTransfer:
		m.Body = &assaypb.Event_ResourceTransfer{ResourceTransfer: &assaypb.ResourceTransfer{
			Kind: assaypb.ResourceKind(e.Kind), From: address(e.From), To: address(e.To),
			Resource: address(e.Resource), Body: ResourceToProto(e.Body)}}
	case poco.PolicyUpdate:
		m.Body = &assaypb.Event_PolicyUpdate{PolicyUpdate: &assaypb.PolicyUpdate{
			Workerpool:          address(e.Workerpool),
			OldWorkerStakeRatio: amount(e.OldWorkerStakeRatio), NewWorkerStakeRatio: amount(e.NewWorkerStakeRatio),
			OldSchedulerRewardRatio: amount(e.OldSchedulerRewardRatio),
			NewSchedulerRewardRatio: amount(e.NewSchedulerRewardRatio)}}
	default:
		boostToProto(event, m)
	}
}

func boostToProto(event poco.Event, m *assaypb.Event) {
	switch e := event.(type) {
	case poco.SchedulerNoticeBoost:
		m.Body = &assaypb.Event_SchedulerNoticeBoost{SchedulerNoticeBoost: &assaypb.SchedulerNoticeBoost{
			Workerpool: address(e.Workerpool), Deal: hash(e.Deal), App: address(e.App), Dataset: address(e.Dataset),
			Category: amount(e.Category), Tag: hash(e.Tag), Params: text(e.Params), Beneficiary: address(e.Beneficiary)}}
	case poco.ResultPushedBoost:
		m.Body = &assaypb.Event_ResultPushedBoost{ResultPushedBoost: &assaypb.ResultPushedBoost{
			Deal: hash(e.Deal), Index: amount(e.Index), Results: e.Results}}
	case poco.DealSponsoredBoost:
		m.Body = &assaypb.Event_DealSponsoredBoost{DealSponsoredBoost: &assaypb.DealSponsoredBoost{
			Deal: hash(e.Deal), Sponsor: address(e.Sponsor)}}
	}
}

// DealToProto returns a deal's message, nil for nil.
func DealToProto(d *poco.Deal) *assaypb.Deal {
	if d == nil {
		return nil
	}
	return &assaypb.Deal{
		App: priced(d.App), Dataset: priced(d.Dataset), Workerpool: priced(d.Workerpool),
		Trust: amount(d.Trust), Category: amount(d.Category), Tag: hash(d.Tag),
		Requester: address(d.Requester), Beneficiary: address(d.Beneficiary), Callback: address(d.Callback),
		Params: text(d.Params), StartTime: d.StartTime, BotFirst: d.BotFirst, BotSize: d.BotSize,
		WorkerStake: amount(d.WorkerStake), SchedulerRewardRatio: amount(d.SchedulerRewardRatio),
		Sponsor: address(d.Sponsor), Boost: d.Boost,
	}
}

// ResourceToProto returns the message of a resource's metadata, nil for nil.
func ResourceToProto(r *poco.Resource) *assaypb.Resource {
	if r == nil {
		return nil
	}
	return &assaypb.Resource{
		Name: text(r.Name), Type: text(r.Type), Multiaddr: r.Multiaddr, Checksum: hash(r.Checksum), Mrenclave: r.MREnclave,
	}
}

func priced(p poco.Priced) *assaypb.Priced {
	return &assaypb.Priced{Pointer: address(p.Pointer), Owner: address(p.Owner), Price: amount(p.Price)}
}

func address(a poco.Address) []byte { return a[:] }
func hash(h poco.Hash) []byte       { return h[:] }
func amount(a poco.Amount) []byte   { return a.Bytes() }
func text(s string) string          { return strings.ToValidUTF8(s, "\uFFFD") }
