package schema

import (
	"google.golang.org/protobuf/proto"

	"assay/schema/assaypb"
)

// ReadRecord reads a record of the chain log, from the offset of the topic where it is.
// counts is false for one that was meant to be elsewhere: every reader must leave it out.
//
// That is how the log stays one indexer's although Kafka lets anybody append. Each writes
// into a record the offset at which the log ended when it last looked, so that of two that
// append at once only the first one's records are where they were meant to be, and all
// that the other one sent is void.
func ReadRecord(value []byte, offset int64) (record *assaypb.ChainRecord, counts bool, err error) {
	record = &assaypb.ChainRecord{}
	if err := proto.Unmarshal(value, record); err != nil {
		return nil, false, err
	}
	return record, record.Offset == nil || *record.Offset == uint64(offset), nil
}
