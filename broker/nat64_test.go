package broker

import (
	"net"
	"net/netip"
	"testing"
)

// TestSourcesBehindNAT64: IPv4 clients that a broker with IPv6 alone sees behind a translator
// are as many sources and networks as they are addresses.
func TestSourcesBehindNAT64(t *testing.T) {
	for address, want := range map[string]string{
		"64:ff9b::203.0.113.7":     "203.0.113.7/32",
		"64:ff9b::203.0.113.8":     "203.0.113.8/32",
		"203.0.113.7":              "203.0.113.7/32",
		"::ffff:203.0.113.7":       "203.0.113.7/32",
		"64:ff9b:1:2:3::1":         "64:ff9b:1:2::/64",
		"2001:db8:1:2:3:4:5:6%eth": "2001:db8:1:2::/64",
	} {
		source := sourceOf(net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 1)))
		if source.String() != want {
			t.Errorf("%s: source %v, want %v", address, source, want)
		}
		if network := networkOf(source); source.Addr().Is4() && network != source {
			t.Errorf("%s: network %v", address, network)
		}
	}
}
