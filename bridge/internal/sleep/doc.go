// Package sleep waits for a time, no longer than a context lasts.
//
// Invariants:
//
//   - Nothing is left of a pause that was cut short: no timer, no goroutine.
//   - A context that has ended before the pause is told, also where there is nothing to wait for.
package sleep
