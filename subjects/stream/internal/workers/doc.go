// Package workers runs functions on goroutines that are used again ([Pool]).
//
// Invariants:
//
//   - [Pool.Run] never blocks: an item for which no goroutine is idle gets a new
//     one. The caller bounds the number, by [Pool.Running].
//   - Each item for which Run reports true is handled exactly once.
//   - [Pool.Close] returns when all calls have returned and all goroutines have
//     ended. A goroutine that has been idle for a second ends by itself.
//   - A handler may end its goroutine (runtime.Goexit). A panic is not recovered
//     here: the handler knows what it leaves behind.
package workers
