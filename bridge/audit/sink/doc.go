// Package sink keeps lines: a [Queue] collects them from many goroutines and gives
// them in batches to a [Sink], such as a [File] that is rotated.
//
// A line that [Queue.Commit] has acknowledged is with the operating system, so that
// it survives the end of the process, however it ends; with sync it is on the disk
// and survives a loss of power too. All lines that arrive while the disk is busy
// share its next write, so that the wait is that of one write and not of many. Lines
// that nobody waits for stay in memory for a few milliseconds, for the same reason.
//
// Invariants:
//
//   - [Queue.Add] never blocks. What it cannot take is dropped and counted.
//   - Memory is bounded by twice [MaxPending].
//   - A batch is written as a whole or not at all: a part of it that was written
//     before an error is taken back, and a line that was torn by a crash is removed
//     when the file is opened again.
//   - A queue has one goroutine, which ends with [Queue.Close]. It alone uses the sink.
package sink
