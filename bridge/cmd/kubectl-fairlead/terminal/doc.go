// Package terminal gives a session the user's terminal.
//
// Invariants:
//
//   - A terminal that was made raw is given back as it was, however the session ends.
//   - Ctrl-C always ends something: it is the session's, and while nobody is there to get it,
//     it ends the session from this side.
//   - The goroutine that follows the size ends with [Terminal.Close]. That of [Keys] ends with
//     the first read after [Keys.Close].
package terminal
