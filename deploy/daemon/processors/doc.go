// Package processors gives a process as many processors as it has work for.
//
// Go's scheduler wakes another thread whenever a goroutine becomes runnable while a
// processor is idle (GOMAXPROCS counts them). A process that hands each message from one
// goroutine to the next is done before that thread is awake: all it gets are futex calls
// and threads that look for work. With one processor it has none of them. See
// docs/decisions/0025.
//
// # Invariants
//
//   - An operator who has set GOMAXPROCS has decided: nothing is changed.
//   - What the process gets at most is what Go gives it by default, which follows CPU limits
//     of its control group.
//   - A process that uses three quarters of a core has all of them within two intervals. One
//     that a busy machine, or a CPU limit, gives less has no use for a second.
package processors
