// Package kv keeps values by keys in a bucket of the bridges' shared store.
//
// Invariants:
//
//   - A bucket keeps the last value of each key. No value can be taken back, only
//     replaced; a key goes away only by the age of its stream, if that has one.
//   - Reads are answered by the stream's leader, so a bridge reads what it has written.
//   - There are no consumers and no direct gets: see decisions 0017 and 0021. A list asks
//     which keys there are, and has so many of the values on their way at a time that few of
//     them cost a wake-up ([readAhead]). So many answers are what it takes beside the list.
//   - Every call ends within its bound: [store.Timeout] for one value, [ListTimeout] for
//     a list. Without a connection, without a right and without a quorum errors wrap
//     [store.ErrUnavailable]; without a right [store.ErrNoRight] too.
//   - A write that fails says whether nothing was changed, or whether that is not known
//     ([ErrUnknown]).
//
// Goroutines: none. [Bucket.Watch] runs in its caller's.
package kv
