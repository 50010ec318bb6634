// Package schema is the language that all rooms of Assay share: messages
// (schema/proto, generated into assaypb), the names of the logs, the database's
// tables (schema/clickhouse), the GraphQL schema (schema/graphql) and the chains
// (schema/chains).
package schema

// Topics are the names of one chain's logs. Everything that happened on the chain
// is in them, and everything else can be computed from them.
type Topics struct {
	Log           string // assaypb.ChainRecord, one partition, keyed by chain id
	Contributions string // assaypb.WorkerMessage, keyed by task
	Decisions     string // assaypb.Decision, keyed by task
}

// Collateral is the log of what verdicts on quotes rest on, assaypb.CollateralRecord, one
// partition. Collateral is of platforms, not of chains: all chains share it.
const Collateral = "assay.collateral"

// TopicsOf names the logs of a chain, by the name its preset carries.
func TopicsOf(chain string) Topics {
	prefix := "assay." + chain + "."
	return Topics{
		Log:           prefix + "log",
		Contributions: prefix + "contributions",
		Decisions:     prefix + "decisions",
	}
}

// MaxMessageBytes is the largest record of any log but the chain log. A larger worker
// message is refused before it is read.
const MaxMessageBytes = 1 << 20

// MaxRecordBytes is the largest record of the chain log: one block with its events. A byte
// of a log costs 8 gas, so blocks of up to 250 million gas fit, several times what any
// chain has.
const MaxRecordBytes = 32 << 20
