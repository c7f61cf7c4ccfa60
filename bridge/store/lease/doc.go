// Package lease lets one bridge at a time do what only one may do.
//
// [Keeper.Hold] competes for a lease by name and runs a function while this bridge has
// it. A lease is a value of a bucket that its holder replaces every [renewInterval], by
// compare-and-set on its revision.
//
// Invariants:
//
//   - No clock of another machine is trusted, and no wall clock. A bridge takes a lease
//     over only when it has seen the same revision for [term], by its own monotonic clock.
//     The holder's function is told to stop [holdFor] after the last renewal that counted
//     was sent, which is before anybody can have seen it. Between both are 3 s, in which
//     the function must return.
//   - A bridge that stood still for longer, such as a suspended machine, may run its
//     function until it notices; [Valid] tells it at once. So each holder gets a fencing
//     number, greater than those of all before it: what it writes elsewhere must be refused
//     by a greater one.
//   - A renewal whose answer was lost counts from when it was sent first, if it turns out
//     to have been kept.
//   - A holder that ends gives the lease back, and another one takes it over at once.
//
// Goroutines: [Keeper.Hold] runs in its caller's, and the function in one of its own,
// which it waits for.
package lease
