// Package source follows one chain and writes what happened there to the chain log.
//
// The log is a list of records with sequence numbers from 0 and no gaps, written by one
// source at a time (of two, the second one's records do not count: schema.ReadRecord):
// blocks that hold PoCo events, retractions of blocks that left the
// canonical chain (newest first, before the blocks that replace them), and marks, which
// say how far the chain is known. A block is in the log before any mark that covers it.
//
// # How it follows
//
// Below finality nothing can change, so history is fetched in ranges, several at once,
// and appended in order. Above it the source knows the hash of every block up to its own
// newest one (the trail), links each new header to it by parent hash, and asks for logs
// by block hash, so that an answer can only be about the block that was meant. Where the
// node's chain has left the trail, the blocks since are retracted and those of the new
// branch take their place. A fork below finality is an error that ends it: what the log
// says is then not this chain's past.
//
// # What it believes
//
// Nodes leave logs out: they lag behind, their indices have holes. A header proves which
// logs its block has. VerifyReceipts therefore asks for every header, computes its hash,
// links it to the one before, and where its bloom filter says that there may be events of
// ours takes them from the receipts, whose root it computes. VerifyBloom only compares
// with the filters. By default new blocks are proven by receipts and history is not. A
// transaction's hash is not in its receipt, so that alone is the node's word; but where
// PoCo is indexed each event's transaction is attached, and then the whole block's
// transactions are compared with its header, unless some are of kinds that Ethereum does
// not have.
//
// Every mark carries the Ledger: which blocks are in the log and what proves them. A source
// that starts with a higher level than its log was written with proves what is owed beside
// its other work (owed.go), and stops where the log lacks what the chain proves.
//
// # Endpoints
//
// Every question goes to the endpoint that is ready and has the least to do, then to
// the others. Ranges grow while an endpoint gives them and shrink when it does not; one
// that asks for time gets it. An answer that contradicts its header or itself (DoubtError)
// is asked for again, everywhere; if nobody tells better it ends the source, and the
// ledger keeps which block was not believed.
//
// # How it starts again
//
// There is no state but the log. Its tail, read backwards until finality is covered,
// gives the last sequence, the last finalized block, the ledger and the points up to
// which the log is complete; the newest point that is still canonical is where to go on.
//
// # Errors
//
// Temporary ones (the node does not answer, or contradicts itself because it moved on
// meanwhile) are counted in Status and tried again. After an uncertain append the log's
// tail is read again before anything else is written. Everything else ends Run: another
// chain, no contract at the hub's address, a fork below finality, a log that is not one
// or that another source writes to, a block that is not believed.
package source
