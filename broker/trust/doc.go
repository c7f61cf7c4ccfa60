// Package trust judges whom a broker would believe: the operator, the accounts it
// signed, the roles of their signing keys, and the users whose credentials are at
// hand. A broker does not start with findings ([Check]); nsc's keeper sees them
// before a push ([CheckNSCStore]).
//
// # What a role must hold
//
// The templates of a role are all that confines a user of a tenant, so a role is
// judged for every name that a user could have:
//
//   - Within: each subject that role agent or bridge allows is part of one that
//     the role needs, and the wildcards that a hostile name could become are
//     denied. Any other role stays apart from the subjects of agents and bridges.
//     Roles store and steward are those of the platform's account, which alone has
//     JetStream.
//   - Able: an agent of a cluster, and a bridge, can do their work.
//
// # Invariants
//
//   - Nothing is changed: directories that are judged are read only, and no
//     resolver is opened.
//   - The order of findings depends on what was read and on nothing else.
//   - Each [Finding] says what to do. Names that others may have chosen are put
//     into commands only if a shell reads nothing into them.
//   - No key and no JWT is part of a finding, but for public keys.
//
// Functions may be called from several goroutines.
package trust
