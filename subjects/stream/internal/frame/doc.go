// Package frame has the buffers of DATA frames that a sender keeps ([Frame]).
// They come from pools, in three sizes.
//
// Invariants:
//
//   - A buffer returns to its pool once: when it has been freed and no send of
//     it is under way. Until then no other frame has it.
//   - A frame from a pool has nothing left of its last use, except the bytes in
//     its buffer.
//   - Nothing here locks, except sync.Pool.
package frame
