// Package load makes requests and measures them as cheaply as possible. The
// generator shares the machine with its targets, and CPU time that it uses makes
// slow targets look better in comparison.
//
// The bytes of a request are made beforehand and written to a kept-alive HTTP/1.1
// connection; answers are parsed by hand. Decision 0015 says what net/http would
// cost. HTTP/2 over TLS is net/http's, which costs that.
//
// Invariants:
//
//   - Every job is bounded: in connections by [MaxConns], and in time by the job's
//     own time plus [Grace], after which its sockets fail.
//   - An answer other than 200 fails the job. Failed work is never counted.
//   - Only loopback addresses are called.
//   - A job leaves no goroutine behind. Connections without errors are kept for
//     the next job on the same target; [Client.Close] closes them.
package load
