// Package load makes requests and measures them, as cheaply as it can: the
// generator shares the machine with what it measures, and whatever it spends
// flatters slow targets.
//
// Requests are bytes made beforehand and written to kept-alive HTTP/1.1
// connections; answers are parsed by hand. Decision 0015 says what net/http
// would cost.
//
// Invariants:
//
//   - Every job is bounded: in connections ([MaxConns]), and in time by what it
//     was asked for plus [Grace], after which its sockets fail.
//   - An answer other than 200 fails the job. Nothing that went wrong is
//     counted as work done.
//   - Only loopback addresses are called.
//   - A job leaves no goroutine. Connections that ended cleanly are kept for
//     the next job on the same target; [Client.Close] closes them.
package load
