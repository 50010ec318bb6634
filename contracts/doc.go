// Package contracts is the boundary to the chain: what PoCo's contracts hash, sign,
// emit, answer and accept, in Go.
//
//   - ids.go, message.go, order.go: identities, hash preimages and signatures (pure)
//   - decoder.go, events.go: a raw log becomes an assaypb.Event (pure)
//   - client.go, read.go, attach.go: reading the contracts, one by one or in batches,
//     and attaching to events what no event carries
//   - calls.go: calldata of every call that Assay sends
//   - wallet.go, revert.go: signing, sending and following transactions
//
// The ABIs are in contracts/bindings, generated. contracts/deploy puts the real
// contracts on a development chain. Amounts are nRLC (1 RLC = 1e9 nRLC), times are
// seconds since 1970.
package contracts
