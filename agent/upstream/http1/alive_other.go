//go:build !unix

package http1

// alive cannot tell here: a request on a connection that the server has closed fails, and
// is sent again if that is safe.
func (c *conn) alive() bool { return true }
