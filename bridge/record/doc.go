// Package record writes down exec and attach sessions whose grant demands it: one
// file in asciicast v2 for each session, in a directory, and a line in its index.
// docs/access-recording.md describes both.
//
// A [Recorder] has one version of the configuration. [Recorder.Begin] makes a [Session]
// before the request goes on to its cluster. The session reads the protocol as it
// passes, by package wire. [Keeper.Run] completes the index after a crash, and removes
// what is older than the retention.
//
// Invariants:
//
//   - Nothing passes unrecorded: bytes are read and kept before they go on, and what
//     cannot be read or written ends the session, with a reason.
//   - What may have been executed leaves a recording, though its caller hung up before
//     the session began. Only what certainly was not is removed.
//   - At most [maxPending] bytes of a session wait for the disk. A disk that takes
//     longer than [stall] for them does not work.
//   - A file is in the directory itself, has a random name that nobody chooses, did
//     not exist before, and belongs to the bridge's user alone.
//   - The goroutine of a session is the only one that touches its file. It ends with
//     the session, unless the system never returns from a write.
//   - No header of a request is written, and of the query the container, the command
//     and the kinds of streams.
package record
