// Package socket ends clients' connections in ways that net and crypto/tls do not
// offer: broken, but behind the bytes that were written; and it asks the kernel
// what reading would not tell. It has no goroutines that outlive a call, and it
// keeps no state.
package socket
