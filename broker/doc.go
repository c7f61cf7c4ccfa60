// Package broker runs the NATS node that agents and bridges meet on: an
// embedded nats-server in operator mode, with TLS, a WebSocket listener,
// cluster routes, gateways to other regions and a full JWT resolver, so that nsc
// push works against it.
//
// # Who may do what
//
// A tenant is an account. Its JWT, which the operator signs, lists two scoped
// signing keys: role agent (an agent's user name is its cluster's name) and
// role bridge (the user's name is the bridge's id). The templates of the roles
// (package subjects) are all that confines a user, so they are written to hold
// for any name: dots move a user to subjects that are not used, a wildcard
// denies it everything, and a name that makes no subject fails to connect.
// NATS applies them while it authenticates, on every node. Two more
// barriers stand behind: [trust.Check] finds accounts whose roles do not hold that
// (a broker does not start with them; [trust.CheckNSCStore] finds them before they
// are pushed), and a running broker cuts every
// connection outside the system account whose user name is not a DNS label.
//
// # Sources of trust
//
// A broker trusts the operator JWT it was started with and nothing else. It
// reads either a directory that [keys.Init] wrote (a [keys.Layout]) or the configuration
// file of "nsc generate config --nats-resolver". Account JWTs that are pushed
// later are stored by nats-server without a check of their signer, but used only if
// the operator signed them. A user of the system account can still replace an
// account's stored JWT that way: hand out no system account credentials.
//
// # Invariants
//
//   - [Start] returns a broker that accepts connections, or an error and
//     nothing running. nats-server reports fatal errors to its logger only;
//     they are captured there.
//   - [Broker.Shutdown] returns when every listener, connection and goroutine
//     of the broker is gone.
//   - Each node has a resolver directory of its own. Nodes bring each other up
//     to date within [ResyncInterval] even when a push reached only one.
//   - Goroutines: nats-server owns its own, and the guard's connection those of
//     nats.go; Shutdown ends them all.
//   - JetStream is on disk, bounded, and for the platform's account alone; without a
//     [Config.StoreDir] there is none. A store that cannot be used stops nothing else.
//   - No key, seed, token or JWT is ever logged. Protocol tracing, which would
//     print them, cannot be switched on.
package broker
