// Package eventually polls conditions that nothing signals, in tests. A test that can
// be told waits for a channel, and one whose code only knows time runs in a bubble of
// testing/synctest; this is for the rest.
//
// Invariants:
//   - A wait ends as soon as its condition is met, and fails its test after a bound that
//     is far above what it takes: no test depends on how long a pause is.
//   - The condition is evaluated by the goroutine of the caller alone.
package eventually
