// Package brokertest is what the tests of the broker and of trust share: a
// directory of keys to spoil, and the names, subjects and roles of attackers. It
// is imported by tests only.
package brokertest
