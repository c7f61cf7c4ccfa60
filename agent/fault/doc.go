// Package fault is the agent's error for requests: one type that carries the
// code of the wire contract from where the error arises to where the stream is
// reset.
//
// Invariants:
//
//   - A code is chosen where the cause is known, never by looking at the text
//     of an error from another layer of the agent.
//   - A code whose NotExecuted is true is used only where the API server has
//     certainly not executed the request.
//
// It starts no goroutines.
package fault
