// Package mint makes the NATS users by which a bridge connects: to a tenant's account, and
// to that of the shared store.
//
// Invariants:
//
//   - A user has an end, and the permissions of the role whose signing key made it. It
//     brings none of its own.
//   - The user's own key stays with whoever asks.
package mint
