//go:build !unix

package http1

// Notices is described where it is true.
const Notices = false

// alive cannot tell here.
func (c *conn) alive() bool { return false }
