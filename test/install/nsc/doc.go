// Package nsc tests the whole life of a platform's accounts and credentials:
// operator, tenants, agents, replacing every kind of key and credential while
// requests run, revocation and expiry, with two real brokers, two real bridges
// and real agents.
//
// The same test runs with two implementations of [keeper], which keeps the
// operator's keys: with the scripts of deploy/nsc, if nsc is on PATH, and always
// with the same claims made by jwt/v2. Nothing else in the test depends on which.
package nsc
