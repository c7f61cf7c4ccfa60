// Package keys makes and keeps the keys of a first run, of docker compose and of
// a single node: operator, accounts, a private CA, credentials, and the
// configuration files that name them. In production nsc does this (deploy/nsc);
// docs/decisions/0013 says where the line is.
//
// [Init] fills a directory, which [OpenLayout] opens again as a [Layout]. Clusters
// are added and revoked in it, and [Layout.Push] sends an account to the brokers
// that are running.
//
// # Invariants
//
//   - Nothing that exists is overwritten, but for account JWTs, tenants.yaml and
//     the server certificate, which other processes read: they are replaced whole,
//     by a rename.
//   - [Init] and [Layout.AddTenant] leave nothing behind when they fail;
//     [Layout.AddPlatform] continues where one that failed has stopped.
//   - Secrets are readable by their owner only, whatever the umask.
//   - The identity keys of operator and accounts sign nothing but the operator's
//     own JWT; accounts are signed by the operator's signing key, users by the
//     scoped keys of their roles.
//   - Users that are made for the system account may do one thing: hear who
//     connects (the guard), or push accounts for five minutes.
//   - No seed and no token is logged or part of an error.
//   - The package links no nats-server: a program that mints credentials is not a
//     broker.
//
// A Layout may be used from several goroutines for reading. Methods that write
// are for one process at a time.
package keys
