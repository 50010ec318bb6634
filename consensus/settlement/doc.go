// Package settlement turns a pool's intents into transactions and follows each until it
// cannot vanish: an outbox whose memory is the decisions log.
//
//	Intent ──► Submission (signed, written down) ──► sent ──► mined ──► deep ──► Outcome
//
// A transaction is written to the log before it is first sent. After a crash the same
// bytes are sent again, under the same nonce, so that nothing is done twice and no nonce
// is left unused. A reorg that drops a transaction is answered in the same way. One that pays
// too little, since fees have risen, is replaced under its own nonce by another submission;
// either may be the one that is mined.
package settlement
