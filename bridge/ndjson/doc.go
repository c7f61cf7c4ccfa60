// Package ndjson writes a response whose body is JSON values, one a line, as each comes
// into being.
//
// Invariants:
//
//   - A line is whole or absent: it is encoded before its first byte is written, by one
//     writer at a time, and flushed before the next.
//   - A client that does not read holds up the writers, which is the back-pressure that
//     its user relies on. One that takes none of a line within [Patience] is gone.
//   - After [Stream.Cut] no write takes longer than it says, whatever the client does.
//   - A response that could not be written to its end breaks: its user notes the error of
//     [Stream.End] as why it was aborted.
//   - It has no goroutines.
package ndjson
