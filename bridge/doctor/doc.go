// Package doctor looks at what a bridge needs: its brokers, hop after hop, with the
// credentials of each tenant; what bridges share; its certificate and access file; the
// issuers and services that the access file names; whether the bridge answers, and what a proxy in front of it changes.
//
// Invariants:
//
//   - A running bridge and its agents are not disturbed. The doctor has an id of its own,
//     and addresses only an instance that does not exist; nothing is written to the
//     store, and no review is sent to a service.
//   - No secret is reported: the users of the tenants are made for the look, and end with
//     it.
//   - Each look has a bound, Config.Timeout. At most maxAtOnce connections are made at a
//     time, and at most maxTenants tenants are looked at.
//
// Its goroutines end before [Run] returns.
package doctor
