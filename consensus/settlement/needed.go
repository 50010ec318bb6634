package settlement

import (
	"assay/consensus/poco"
	"assay/schema/assaypb"
)

// needed says whether an action still has something to do, given the task as the
// contract has it. An action that someone else has taken, or that time overtook, is
// obsolete; it is not sent, since it could only fail.
func needed(action assaypb.Intent_Action, status poco.TaskStatus) bool {
	switch action {
	case assaypb.Intent_INITIALIZE:
		return status == poco.TaskUnset
	case assaypb.Intent_REOPEN, assaypb.Intent_FINALIZE:
		return status == poco.TaskRevealing
	case assaypb.Intent_CLAIM:
		return status == poco.TaskActive || status == poco.TaskRevealing
	}
	return false
}
