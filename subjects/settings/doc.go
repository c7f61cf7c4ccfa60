// Package settings is the message by which a bridge sets what the owner of a cluster lets
// the platform set of its agents: it is the payload of a query for presence, so that it
// needs no subject, and no permission, of its own.
//
// Invariants:
//
//   - A message is valid as a whole or refused as a whole, and the error names the field.
//     Keys that this version does not know are refused: an agent never says that it has
//     applied what it did not understand.
//   - [Restrict] can only narrow what is allowed. There is no value that widens it.
//   - It has no goroutines, and its functions no state.
package settings
