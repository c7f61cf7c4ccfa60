// Package approval keeps requests for access that somebody else must approve, and
// what was approved for how long.
//
// A grant that requires an approval lets nobody in by itself. A caller whose grant it
// is asks for it ([Desk.Ask]), with a reason and a duration; a caller whom another
// grant names as an approver decides ([Desk.Decide]). What is approved is a context
// that ends with the approval ([Desk.Active]), and running requests with it.
//
// Invariants:
//
//   - Nobody approves a request of their own.
//   - A change is on disk before anybody is told of it: an approval that was answered
//     survives a crash, and one that was ended does not come back.
//   - What is kept is bounded: see the constants of bounds.go.
//   - The store is a file of one bridge. Two bridges must not share it.
//
// Goroutines: none. Each approval has a timer, which Close stops.
package approval
