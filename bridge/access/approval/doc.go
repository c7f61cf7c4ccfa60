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
//   - Nobody approves a request of their own, whatever credential they come with, as far
//     as the bridge can know: see person.go.
//   - A change is stored before anybody is told of it: an approval that was answered
//     survives a crash, and one that was ended does not come back.
//   - What is kept is bounded: see the constants of bounds.go. Few callers, or one grant,
//     cannot fill the desk for all: see room.go.
//   - The store is a file of one bridge, or one that several share (package bucket). An
//     approval that cannot be confirmed by its store does not count.
//
// Goroutines: none but those of the store. Each approval has a timer, which Close stops.
package approval
