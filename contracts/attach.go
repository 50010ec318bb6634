package contracts

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"

	"assay/schema/assaypb"

	"github.com/ethereum/go-ethereum/common"
)

// ErrAbsent says that the state holds nothing of what an event tells of: it is that of
// another branch of the chain, or the node lags behind.
var ErrAbsent = errors.New("the state does not know what the event tells of")

// Attach reads what no event carries and puts it into the events: a deal's body, a
// task's deal and index, a contribution's seal and challenge, a callback's bytes, a
// resource's metadata, who signed an order and how much of it there was. None of it
// changes later, so any block from the events' own on will do. It fails with
// ErrAbsent where the state is not of the events' branch.
func (c *Client) Attach(ctx context.Context, at At, events []*assaypb.Event) error {
	var attachments []attachment
	boost := boostDeals(events)
	for _, event := range events {
		if a, wanted := c.attachment(event, boost); wanted {
			a.event = event
			attachments = append(attachments, a)
		}
	}
	var reads []*Read
	for _, a := range attachments {
		reads = append(reads, a.reads...)
	}
	if err := c.Batch(ctx, at, reads...); err != nil {
		return err
	}
	for _, a := range attachments {
		if err := a.finish(); err != nil {
			return fmt.Errorf("attaching to log %d: %w", a.event.LogIndex, err)
		}
	}
	return nil
}

// attachment is what one event still needs, and what to do when it has been read.
type attachment struct {
	event *assaypb.Event
	reads []*Read
	put   func() error
}

func (a attachment) finish() error {
	for _, r := range a.reads {
		if r.Err != nil {
			return r.Err
		}
	}
	return a.put()
}

// boostDeals are the deals of PoCo Boost, whose bodies viewDeal does not have.
func boostDeals(events []*assaypb.Event) map[common.Hash]bool {
	deals := map[common.Hash]bool{}
	for _, event := range events {
		if notice := event.GetSchedulerNoticeBoost(); notice != nil {
			deals[common.BytesToHash(notice.Deal)] = true
		}
	}
	return deals
}

func (c *Client) attachment(event *assaypb.Event, boost map[common.Hash]bool) (attachment, bool) {
	switch body := event.Body.(type) {
	case *assaypb.Event_OrdersMatched:
		return c.dealBody(body.OrdersMatched), !boost[common.BytesToHash(body.OrdersMatched.Deal)]
	case *assaypb.Event_TaskInitialize:
		return c.taskOrigin(body.TaskInitialize), true
	case *assaypb.Event_TaskContribute:
		return c.contributionSeal(body.TaskContribute), true
	case *assaypb.Event_TaskFinalize:
		return c.taskCallback(body.TaskFinalize), true
	case *assaypb.Event_OrderSigned:
		return c.orderSigner(body.OrderSigned), true
	case *assaypb.Event_OrderClosed:
		return c.orderVolume(body.OrderClosed), true
	case *assaypb.Event_ResourceTransfer:
		return c.resourceBody(body.ResourceTransfer), common.BytesToAddress(body.ResourceTransfer.From) == common.Address{}
	default:
		return attachment{}, false
	}
}

func (c *Client) dealBody(e *assaypb.OrdersMatched) attachment {
	var deal Deal
	return attachment{
		reads: []*Read{c.ReadDeal(common.BytesToHash(e.Deal), &deal)},
		put: func() error {
			if deal.Workerpool.Pointer == (common.Address{}) {
				return fmt.Errorf("%w: deal %x", ErrAbsent, e.Deal)
			}
			e.Body = DealMessage(deal)
			return nil
		},
	}
}

func (c *Client) taskOrigin(e *assaypb.TaskInitialize) attachment {
	var task Task
	return attachment{
		reads: []*Read{c.ReadTask(common.BytesToHash(e.Task), &task)},
		put: func() error {
			if task.Status == 0 {
				return fmt.Errorf("%w: task %x", ErrAbsent, e.Task)
			}
			e.Deal, e.Index = task.Dealid[:], task.Idx.Bytes()
			return nil
		},
	}
}

func (c *Client) contributionSeal(e *assaypb.TaskContribute) attachment {
	var contribution Contribution
	return attachment{
		reads: []*Read{c.ReadContribution(common.BytesToHash(e.Task), common.BytesToAddress(e.Worker), &contribution)},
		put: func() error {
			if common.BytesToHash(e.ResultHash) != contribution.ResultHash || contribution.Status == 0 {
				return fmt.Errorf("%w: contribution of %x to task %x", ErrAbsent, e.Worker, e.Task)
			}
			e.ResultSeal, e.EnclaveChallenge = contribution.ResultSeal[:], contribution.EnclaveChallenge[:]
			return nil
		},
	}
}

func (c *Client) taskCallback(e *assaypb.TaskFinalize) attachment {
	const completed = 3
	var task Task
	return attachment{
		reads: []*Read{c.ReadTask(common.BytesToHash(e.Task), &task)},
		put: func() error {
			if task.Status != completed {
				return fmt.Errorf("%w: completed task %x", ErrAbsent, e.Task)
			}
			e.ResultsCallback = task.ResultsCallback
			return nil
		},
	}
}

func (c *Client) orderSigner(e *assaypb.OrderSigned) attachment {
	var signer common.Address
	return attachment{
		reads: []*Read{c.ReadPresigned(common.BytesToHash(e.Hash), &signer)},
		put: func() error {
			if signer == (common.Address{}) {
				return fmt.Errorf("%w: signed order %x", ErrAbsent, e.Hash)
			}
			e.Signer = signer[:]
			return nil
		},
	}
}

func (c *Client) orderVolume(e *assaypb.OrderClosed) attachment {
	var volume *big.Int
	return attachment{
		reads: []*Read{c.ReadConsumed(common.BytesToHash(e.Hash), &volume)},
		put: func() error {
			e.Volume = volume.Bytes()
			return nil
		},
	}
}

// resourceBody reads the metadata that a resource was registered with.
func (c *Client) resourceBody(e *assaypb.ResourceTransfer) attachment {
	address := common.BytesToAddress(e.Resource)
	switch e.Kind {
	case assaypb.ResourceKind_RESOURCE_KIND_APP:
		var app App
		return attachment{reads: c.ReadApp(address, &app), put: func() error {
			e.Body = &assaypb.Resource{Name: text(app.Name), Type: text(app.Type), Multiaddr: app.Multiaddr,
				Checksum: app.Checksum[:], Mrenclave: app.MREnclave}
			return nil
		}}
	case assaypb.ResourceKind_RESOURCE_KIND_DATASET:
		var dataset Dataset
		return attachment{reads: c.ReadDataset(address, &dataset), put: func() error {
			e.Body = &assaypb.Resource{Name: text(dataset.Name), Multiaddr: dataset.Multiaddr, Checksum: dataset.Checksum[:]}
			return nil
		}}
	default:
		var description string
		return attachment{reads: []*Read{c.ReadWorkerpool(address, &description)}, put: func() error {
			e.Body = &assaypb.Resource{Name: text(description)}
			return nil
		}}
	}
}

// DealMessage is a deal as the chain log carries it. Task numbers beyond 2^64, which
// an order may ask for but nobody can initialize, are cut to the largest that fits;
// parameters that are not UTF-8 are made so.
func DealMessage(d Deal) *assaypb.Deal {
	return &assaypb.Deal{
		App: priced(d.App.Pointer, d.App.Owner, d.App.Price), Dataset: priced(d.Dataset.Pointer, d.Dataset.Owner, d.Dataset.Price),
		Workerpool: priced(d.Workerpool.Pointer, d.Workerpool.Owner, d.Workerpool.Price),
		Trust:      d.Trust.Bytes(), Category: d.Category.Bytes(), Tag: d.Tag[:],
		Requester: d.Requester.Bytes(), Beneficiary: d.Beneficiary.Bytes(), Callback: d.Callback.Bytes(), Params: text(d.Params),
		StartTime: saturated(d.StartTime), BotFirst: saturated(d.BotFirst), BotSize: saturated(d.BotSize),
		WorkerStake: d.WorkerStake.Bytes(), SchedulerRewardRatio: d.SchedulerRewardRatio.Bytes(), Sponsor: d.Sponsor.Bytes(),
	}
}

func priced(pointer, owner common.Address, price *big.Int) *assaypb.Priced {
	return &assaypb.Priced{Pointer: pointer.Bytes(), Owner: owner.Bytes(), Price: price.Bytes()}
}

func saturated(value *big.Int) uint64 {
	if !value.IsUint64() {
		return math.MaxUint64
	}
	return value.Uint64()
}
