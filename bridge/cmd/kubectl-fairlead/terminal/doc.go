// Package terminal gives a session the user's terminal.
//
// Invariants:
//
//   - A terminal that was made raw is given back as it was, however the session ends.
//   - The one goroutine, which follows the size, ends with [Terminal.Close].
package terminal
