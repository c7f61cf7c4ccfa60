// Package path shows a path to a broker as checks of a diagnosis: what the dialer tells
// of its steps, and what a connection then knows and may do.
//
// It makes no connection itself, and shows each failure once: at its hop, with no hop
// behind it reached. A hop before it was passed, or says why it was not reached.
package path
