package front

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Trusted is a set of addresses of front proxies. The zero value is empty. It is
// safe for concurrent use.
type Trusted []netip.Prefix

// ParseTrusted reads CIDRs (10.0.0.0/8) and single addresses. The error names the
// first malformed one.
func ParseTrusted(list []string) (Trusted, error) {
	t := make(Trusted, 0, len(list))
	for _, s := range list {
		p, err := parsePrefix(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("%q is neither a CIDR such as 10.0.0.0/8 nor an address", s)
		}
		t = append(t, p)
	}
	return t, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err == nil && p.Addr().Is4In6() { // no address would ever match
			return p, fmt.Errorf("an IPv4 address in IPv6 form")
		}
		return p, err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// Contains reports whether a is the address of a trusted proxy.
func (t Trusted) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(t, func(p netip.Prefix) bool { return p.Contains(a) })
}

// peer returns the address of a connection's other end. If that is not an IP
// address, it returns the zero address, which is in no set.
func peer(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return t.AddrPort().Addr()
}
