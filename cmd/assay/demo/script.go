package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"assay/contracts"
)

// act is one transaction of a script.
type act struct {
	what string // for errors
	to   common.Address
	data []byte
	gas  uint64
}

// script is what an account sends, in this order: the n-th act has nonce first+n. That is
// how a run that was killed knows where to go on.
type script struct {
	wallet *contracts.Wallet
	first  uint64
	acts   []act
}

func newScript(client *rpc.Client, of player, chainID, first uint64) *script {
	return &script{wallet: contracts.NewWallet(client, of.key, chainID), first: first}
}

func (s *script) add(what string, to common.Address, data []byte, gas uint64) {
	s.acts = append(s.acts, act{what, to, data, gas})
}

// play sends the first count acts, those that are not in a block yet, and waits until
// all of them are.
func (s *script) play(ctx context.Context, count int) error {
	mined, err := s.wallet.MinedNonce(ctx)
	if err != nil {
		return err
	}
	fees, err := s.wallet.Fees(ctx)
	if err != nil {
		return err
	}
	sent := make([]*types.Transaction, 0, count)
	done := 0
	if mined > s.first {
		done = int(mined - s.first)
	}
	for i := done; i < count; i++ {
		act := s.acts[i]
		signed, err := s.wallet.SignWith(contracts.Tx{To: &act.to, Data: act.data, Nonce: s.first + uint64(i), Gas: act.gas}, fees)
		if err != nil {
			return fmt.Errorf("%s: %w", act.what, err)
		}
		if err := s.wallet.Submit(ctx, signed); err != nil {
			return fmt.Errorf("%s: %w", act.what, err)
		}
		sent = append(sent, signed)
	}
	for i, signed := range sent {
		if err := s.check(ctx, signed); err != nil {
			return fmt.Errorf("%s: %w", s.acts[done+i].what, err)
		}
	}
	return nil
}

func (s *script) check(ctx context.Context, signed *types.Transaction) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	receipt, err := s.wallet.Wait(ctx, signed.Hash())
	if err != nil {
		return err
	}
	return s.wallet.RevertOf(ctx, signed, receipt)
}
