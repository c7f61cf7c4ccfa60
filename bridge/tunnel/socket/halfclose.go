package socket

import (
	"fmt"
	"net"
)

// CloseWrite ends the direction to the client. Over TLS that is a close_notify
// (RFC 8446 section 6.1). A connection that cannot be half-closed stays as it is.
func CloseWrite(c net.Conn) error {
	if c, ok := c.(interface{ CloseWrite() error }); ok {
		if err := c.CloseWrite(); err != nil {
			return fmt.Errorf("half-close: %w", err)
		}
	}
	return nil
}
