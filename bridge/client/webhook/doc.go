// Package webhook verifies the requests with which bridges send events to webhooks, for
// receivers in Go.
//
// Invariants:
//
//   - Nothing of a request is believed before its signature and time are verified.
//   - It depends on the types of the API and the standard library only.
//   - It has no goroutines, and its functions may be called by many.
package webhook
