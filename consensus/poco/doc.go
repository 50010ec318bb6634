// Package poco is iExec's Proof-of-Contribution protocol, PoCo, as two pure functions:
//
//	Decide(state, block, sender, command) → events, or a revert
//	Evolve(state, block, event)           → state
//
// Decide says what the contracts would do with a call: which events they would emit, in
// which order and with which numbers, or for which reason they would revert. Evolve folds
// events, whoever produced them: Decide, or a chain. Nothing here reads a clock, a network
// or a random source, nothing iterates a map where order matters, no number is a float.
//
// The authority is the Solidity of @iexec/poco 6.1.0; package differential plays random
// histories to its bytecode, to that of 5.3.0 and 5.5.0, and to this package, and finds no
// difference. What chains and their upgrades do differently is data (Rules.Eras). Contracts
// before 5.5 also refuse in other words, see legacy. This text is the whole protocol, in
// the order in which things happen; comments at the functions name the Solidity.
//
// # Numbers
//
// Money is in nRLC (1 RLC = 10⁹ nRLC), time in seconds since 1970, ratios in percent. All
// are unsigned 256-bit integers; an operation whose result does not fit reverts (panic
// 0x11), and divisions round down. Times that matter come from block timestamps. Where
// this package keeps a uint64 of what the contracts keep as a uint256 (times, indices of
// tasks), 2⁶⁴−1 stands for anything larger; nothing is decided by such a number.
//
// # Money
//
// Whoever takes part deposits RLC into the hub and gets as much stake (an ERC-20 token,
// SRLC: supply is what was deposited and not withdrawn). An account has stake, which it may
// use, withdraw or transfer, and locked nRLC, which are at stake somewhere. The hub has an
// account, too; its stake is all that is locked, plus, within a transaction, what has been
// seized and not yet given to anyone. Four movements:
//
//	lock    Transfer account→hub, Lock     stake becomes locked
//	unlock  Transfer hub→account, Unlock   locked becomes stake again
//	seize   Seize                          locked is lost; it stays with the hub
//	reward  Transfer hub→account, Reward   what was seized goes to somebody
//
// So stakes are folded from Transfers alone, locked from Lock, Unlock and Seize, and Reward
// moves nothing. After each call the sum of all stakes is the supply, and the hub's stake is
// at least all that is locked.
//
// # Orders and deals
//
// Owners of apps, datasets and workerpools, and requesters, sign orders (EIP-712, domain
// "iExecODB" 5.0.0 on this chain and hub), by a key, by an ERC-1271 contract, or on chain
// (ManageOrder). Anybody who has four orders that fit makes a deal of them: category equal
// and existing; the request's trust at most the pool's; prices at most the request's; all
// bits of the merged tag in the pool's; the enclave bit (0) of the merged tag in the app's;
// app and dataset as requested; restrictions (one address, or an ERC-734 group) respected;
// resources registered and orders signed by their present owners; something left of every
// order. The volume is what is left of the order with the least, and is consumed of all.
//
//	deal id       keccak256(request's hash ‖ how much of it was consumed before)
//	indices       that consumed number, and on
//	trust         the request's, at least 1
//	tag           app | dataset | request; from 6.2 on without bits 1 to 3 of the dataset's
//	worker stake  pool price · the pool's stake ratio (at first 30) / 100, per contribution
//	locked        payer: (app + dataset + pool price) · volume
//	              pool's owner: ⌊pool price · 30 / 100⌋ · volume
//
// The payer is the requester, or the sender of SponsorMatchOrders. Everything is frozen in
// the deal: a resource that changes hands or a policy that changes later changes nothing.
//
// # Tasks
//
//	          Initialize        Contribute          Reveal          Finalize
//	(unset) ────────────▶ ACTIVE ────────▶ REVEALING ─────▶ REVEALING ─────▶ COMPLETED
//	                       ▲  │ consensus      │ │
//	                       └──┼────────────────┘ │ Claim (both)
//	                   Reopen └──────────────────┴───────▶ FAILED
//
// With clock the work clock of the deal's category:
//
//   - Initialize, by anyone, once per task. Contributions must come before deal start + 7
//     clocks; from deal start + 10 clocks on the task can be claimed. Both count from the
//     deal, however late the task is initialized.
//   - Contribute, by a worker whom the pool's owner (or the TEE broker, for an enclave)
//     authorized for this task and enclave, before the contribution deadline. The worker
//     commits to hash = keccak256(task ‖ digest) and seal = keccak256(worker ‖ task ‖
//     digest), locks the worker stake, and cannot contribute to the task again. A deal with
//     the enclave bit wants an enclave, whose key signs hash and seal.
//   - Consensus, see below. The winners have 2 clocks from then to reveal, which may be
//     later than the final deadline.
//   - Reveal, by a winner before the reveal deadline, with the digest that fits hash and
//     seal: the contribution is proved.
//   - Finalize, by the pool's owner as the deal froze it, before the final deadline, when all
//     winners have revealed or, after the reveal deadline, when at least one has. A deal with
//     a callback wants the data whose keccak256 is the digest.
//   - Reopen, by the pool's owner between the reveal deadline and the final deadline, when
//     nobody has revealed. All contributions of the result are rejected, their weight leaves
//     the consensus, their stakes stay locked, and the task is active again.
//   - Claim, by anyone from the final deadline on.
//   - ContributeAndFinalize does everything at once for a deal of trust 1 on a task that
//     nobody has contributed to. There is no stake, no weight and no score in it, and its
//     events come after those of the money. Evolve tells it from Contribute by this: the
//     TaskContribute of a Contribute comes right after its Lock.
//
// # Consensus
//
//	weight of a worker    max(⌊score/3⌋, 3) − 1      2 below a score of 12, then 3, 4, …
//	group of a result     the product of the weights of its workers; 0 without any
//	total of a task       1 + the sum of its groups
//	consensus             group · trust > total · (trust − 1)
//
// Trust 1 is reached by the first contribution. The products may overflow, then the
// contribution reverts.
//
// # Pay
//
// On success, in this order: the payer is seized the price; the app's owner and the
// dataset's are rewarded theirs if it is not 0; the pool's stake is unlocked; a tenth of the
// kitty, at least 1 RLC if there is as much, is seized and rewarded to the pool's owner.
// Then, with
//
//	total   pool price + the stakes of all contributors that did not prove theirs
//	shares  ⌊total · (100 − the pool's reward ratio) / 100⌋
//
// each contributor in order of contribution: one that proved is unlocked its stake and
// rewarded ⌊shares · log weight / the sum of log weights⌋, and, if there was more than one
// contributor, gains a point of score; any other is seized its stake and keeps two thirds of
// its score, rounded down. What is left of total, with every rounding, is the pool owner's.
// The log weight is log2 of the weight at the time of the contribution: rounded up to PoCo
// 5.4, down from 5.5 on. ContributeAndFinalize splits the pool price alike between the
// worker and the pool's owner.
//
// On failure the payer is unlocked the price, the pool's stake is seized into the kitty
// (an account of its own, where it is locked), and every contributor, a rejected one too,
// is unlocked its stake. Scores stay.
//
// # Boost
//
// A lighter way for deals of trust 0 or 1, on no production chain so far: tasks are not
// initialized, one call pushes the result and pays, and after 7 clocks a task can be
// claimed. Three oddities are kept: indices count from 0 within each deal; the requester is
// seized though the sponsor may have paid, so that sponsored results usually cannot be
// pushed; and the price in a dataset order counts even without a dataset.
//
// # Where the rules come from
//
// In contracts/facets of @iexec/poco 6.1.0, unless said otherwise:
//
//	constants: 7, 2, 10 clocks; 30 %; kitty      FacetBase.sol
//	money: lock, unlock, seize, reward           IexecEscrow.v8.sol
//	deposits, withdrawals; stake as a token      IexecEscrowTokenFacet.sol, IexecEscrowNativeFacet.sol; IexecERC20Facet.sol, IexecERC20Core.sol
//	categories                                   IexecCategoryManagerFacet.sol
//	registration, owners, a pool's policy        contracts/registries
//	order hashes (EIP-712)                       contracts/libs/IexecLibOrders_v5.sol
//	signatures, restrictions                     SignatureVerifier.sol
//	signing and closing orders on chain          IexecOrderManagementFacet.sol
//	deals                                        IexecPoco1Facet.sol, _matchOrders
//	tasks, by the names of the calls             IexecPoco2Facet.sol
//	consensus                                    IexecPoco2Facet.sol, contribute and checkConsensus
//	pay on success                               IexecPoco2Facet.sol, successWork and distributeRewards; distributeRewardsFast
//	pay on failure                               IexecPoco2Facet.sol, failedWork and claim
//	Boost                                        IexecPocoBoostFacet.sol
//
// # What no event tells
//
// The attached fields of events carry what Evolve needs and no log has: the deal's body, the
// task's deal and index, seal and enclave of a contribution, results for the callback, the
// signer and volume of an order, a resource's metadata. Four calls change the contracts
// without any event: setTeeBroker (Rules.TEEBroker), setCallbackGas and
// updateDomainSeparator (no effect here), and importScore, which raised the scores of some
// workers of chains that came from PoCo 3: there Evolve believes the chain's TaskConsensus
// rather than its own weights. What a deal's callback does when it is called is its own
// affair: its events come after those that Decide returns.
//
// # Undoing
//
// A chain can take blocks back. Mark holds a moment, Rollback returns to it, Release gives
// it up; Changed lists what was touched since, for whoever keeps rows.
//
// # Forgetting and writing down
//
// A state remembers all tasks and deals unless Forget is called, which lets go of those
// that ended before the oldest mark. Calls for them are refused as before, as the contracts
// refuse calls for a task that ended and for one that never was alike. Then memory follows
// live tasks, accounts, and orders. How much of an order is used up counts for ever;
// ForgetOrders lets go of that, too, at the price of Decide's answers about orders.
//
// Snapshot writes a state, Restore reads it. Equal states have equal snapshots.
//
// A state that does not fit into memory lies on a shelf (Unshelve), which its owner keeps
// on a disk: rows are fetched when they are asked for, and Shelve puts there what changed.
package poco
