// Package idset remembers which stream ids have been seen, in bounded memory
// ([Set]). An accepting endpoint executes a stream only if its id is new.
//
// Invariants:
//
//   - An id that was added stays in the set, whatever else is added or raised.
//   - A set never has more than MaxSpans spans, and all sets of a [Pool] together
//     never more than MaxShared beyond OwnSpans each.
//   - A set that is dropped holds nothing of its pool.
package idset
