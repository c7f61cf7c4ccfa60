// Package path shows a path to a broker as checks of a diagnosis: what the dialer tells
// of its steps, and what a connection then knows and may do.
//
// It makes no connection itself, and shows each failure once: at its hop, with all hops
// before it passed and none behind it reached.
package path
