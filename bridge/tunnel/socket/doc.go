// Package socket ends clients' connections in a way that net and crypto/tls do not
// offer: the client gets all bytes that were written, and then sees the connection
// break. It also asks the kernel for facts that reading would not reveal. No
// goroutine outlives a call, and the package keeps no state.
package socket
