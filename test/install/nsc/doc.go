// Package nsc tests the whole life of a platform's accounts and credentials:
// operator, tenants, agents, replacing every kind of key and credential while
// requests run, revocation and expiry, with two real brokers, two real bridges
// and real agents.
//
// The story is told twice by the same test: with the scripts of deploy/nsc, where
// nsc is on PATH, and with the same claims made by jwt/v2, always. Whoever keeps
// the keys is a [keeper]; everybody else cannot tell which.
package nsc
