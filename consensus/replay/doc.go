// Package replay asks of a recorded history: what if the rules had been others? It folds
// a chain log as it is, and beside it settles every task again under a Policy: another
// trust threshold, another weight of workers, another stake, another split of the
// reward. The Report has every worker, pool and task before (the record) and after (the
// policy). Like package poco it does no I/O, reads no clock and uses no float.
//
// # What is taken as given
//
// What people did is fact, and stays as recorded:
//
//   - the deals: parties, prices, trust asked for, and when they were made;
//   - the contributions: who, to which task, with which result, in which order;
//   - who, having won, revealed, and who kept silent;
//   - where in the log each task ended, and that a scheduler asked for a reopening there
//     where it is recorded.
//
// # What is computed again
//
// All that follows from the rules: whether and when there is a consensus, on which
// result, who won, what everybody is paid and loses, the scores, and through them the
// weights in all later tasks, the kitty and what is drawn from it. A task is judged where
// the record ends it, from its own facts:
//
//   - Contributions count in their recorded order, with the weight that the worker's score
//     under the policy gave it at that point of the log.
//   - If consensus comes earlier than in the record, the later contributions are not
//     needed: they are dropped, and their workers get nothing and risk nothing.
//   - If consensus does not come by the last recorded contribution, the task is
//     undecided: it would have needed more contributions than there are. Nobody is
//     invented to make them; the task ends as claimed.
//   - A winner who revealed in the record reveals. One who won in the record and did not
//     reveal keeps silent. One who never won in the record, so that nobody knows, is
//     taken to reveal; the report counts these (Task.Assumed).
//   - A recorded reopening takes place if there is a consensus at that point of which
//     no winner reveals; else it does nothing. None is added.
//   - With a winner who reveals, a task is completed: winners that keep silent and
//     contributions of other results lose the stake and a third of the score. Except for
//     one case: where the record has a task claimed though it could have been finalized,
//     the scheduler was absent, and is absent under every policy. One that never had
//     anything to finalize is taken to do it.
//   - Without one, a task is unrevealed and ends as claimed.
//   - What is claimed gives everybody the stake back, refunds the requester and moves the
//     workerpool's stake to the kitty, as in package poco.
//   - A task that the record leaves open is open, whatever consensus it has.
//   - ContributeAndFinalize is a contribution of one worker that revealed. At trust 1 this
//     pays the same to the nRLC; above, it counts like any other contribution.
//
// # What is not modelled
//
// Behaviour does not answer to the rules: nobody contributes more, less, sooner or
// otherwise because more is at stake or less is earned. Deadlines are not checked again: a
// task that becomes decided is taken to be decided in time, one that becomes undecided is
// settled where the record ended it rather than at its deadline, which only the kitty can
// tell. Nobody runs short of stake under a higher stake ratio, and no order fails to
// match under a higher trust. A contribution whose weight makes the contract's arithmetic
// overflow is dropped, as the contract would refuse it.
//
// Boost deals have no consensus to think otherwise of and are left out of the report; what
// they put into the kitty and draw from it counts.
//
// # Why to believe it
//
// With the zero Policy, which is the chain's own rules, after must equal before to the
// nRLC, and tests hold it to that on random histories. Other policies are held to the
// core: the same commands are played to package poco under the other rules, and pay the
// same. On a chain whose scores came partly from an older contract without events
// (poco's importScore), the zero policy can differ from the record; run it first to know
// how much.
package replay
