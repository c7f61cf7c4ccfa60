// Package redact takes out of messages what looks like a credential: people paste a token
// into the wrong line of a file, and what a parser says about that line is logged.
//
// A server may also show what it was sent: [Known] takes that out of its answers, and
// [Transport] out of the errors of HTTP requests.
//
// Invariants: [Text] is the last resort. Whoever knows that a text is secret leaves it out in
// the first place.
package redact
