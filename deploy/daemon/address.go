package daemon

import (
	"net"
	"strconv"
)

// CheckAddress returns a [UsageError] that names the flag for a malformed
// address to listen on. An address that is in use is a different matter: that
// failure may pass.
func CheckAddress(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return Usagef("%s: %q is not host:port: %w", flag, address, err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Usagef("%s: %q: the port must be a number from 0 to 65535", flag, address)
	}
	return nil
}
