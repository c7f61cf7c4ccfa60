// Package wait is what a blocked call waits for: a change of state ([Wakeup]) or
// a time ([Deadline]).
//
// Invariants:
//
//   - A change after [Wakeup.Arm] is never missed: its token stays until it is
//     taken. A token can be left over from an earlier change, so a goroutine that
//     takes one checks the state again.
//   - A deadline that is moved while a call waits counts for that call once it
//     asks for [Deadline.Done] again; a [Wakeup] has it do so.
//   - After [Deadline.Stop] there is no timer, and none is ever started.
//   - Nothing is locked while a Deadline's own mutex is held.
package wait
