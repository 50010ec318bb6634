// Package deploy puts the real PoCo contracts and their RLC token on a development
// chain, from the compiled artifacts of the npm package @iexec/poco, as iExec's own
// scripts do on its chains (without their factories, which only choose addresses).
//
// Every step is one nonce of the deployer, counted from a base nonce, so all addresses
// are known before the first transaction is sent, all transactions are in flight
// together, and a deployment that was killed goes on where it was: a step whose nonce
// is spent is done. plan.go says what the steps are, deploy.go sends and checks them,
// artifacts.go reads the package, accounts.go prepares what a marketplace needs next.
package deploy
