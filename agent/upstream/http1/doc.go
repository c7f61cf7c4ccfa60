// Package http1 makes requests over HTTP/1.1, each by the goroutine that asks.
//
// net/http gives each connection two goroutines, one that writes and one that reads,
// so that a body can be sent while the response arrives. A request whose body is in
// memory needs neither: it is written by the caller, who then waits for the response
// and reads it. That saves three hand-overs between goroutines, up to a fifth of the CPU
// time that such a request takes; see docs/decisions/0023. Heads and bodies are written
// and parsed by net/http all the same ([http.Request.Write], [http.ReadResponse]).
//
// # Invariants
//
//   - A connection serves one request at a time, and no goroutine waits for it between
//     two requests. Whether the server has closed it meanwhile is asked of the kernel
//     before it is used again.
//   - A request is sent again only if nothing of it was written, or if its method is
//     harmless and no byte of a response has arrived; only after a connection that has
//     served before, and at last on a new one. Those are the rules of net/http, without
//     its exceptions for idempotency keys.
//   - Once the request's context is done, whatever waits returns, and the connection is
//     closed.
//   - A connection is kept only if the response was read to its end and left nothing
//     behind, neither in the buffer nor in what TLS has taken from the socket, and if its
//     end was beyond doubt: see head.go. Closed while it is read, it is not kept.
//   - A connection that has reached its greatest age, or was opened before [Pool.Retire], is
//     used by no request made after that.
//   - A server that ends the connection while the request is written has its answer read,
//     if it gave one. One that neither reads nor ends it is waited for: callers send no more
//     than the kernels take by themselves (a body here is at most one message, 32 KiB).
package http1
