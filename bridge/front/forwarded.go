package front

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds how many entries of a forwarding header are read: each trusted
// proxy adds one, and no installation has so many in a row.
const maxHops = 32

// Caller returns the address of a request's caller, for logs. That is remote, the
// address and port of the connection's peer, unless the peer is a trusted proxy that
// names another address. Caller reads X-Forwarded-For or, if that is absent,
// Forwarded (RFC 7239).
//
// Each proxy appends the address of its own client, so entries are read from the
// last to the first, as long as the proxy that wrote an entry is trusted. The first
// address that is not a trusted proxy's is the caller's. An entry that is not an
// address ends the search: entries before it prove nothing.
func (t Trusted) Caller(remote string, h http.Header) string {
	if len(t) == 0 {
		return remote
	}
	at, err := netip.ParseAddrPort(remote)
	if err != nil || !t.Contains(at.Addr()) {
		return remote
	}
	entry, values := hopOf, h["X-Forwarded-For"]
	if len(values) == 0 {
		entry, values = forOf, h["Forwarded"]
	}
	caller := remote
	for hop := range hops(values) {
		a, ok := entry(hop)
		if !ok {
			break
		}
		caller = a.String()
		if !t.Contains(a) {
			break
		}
	}
	return caller
}

// hops yields the elements of a comma-separated header from the last to the
// first, at most maxHops.
func hops(values []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		n := 0
		for i := len(values) - 1; i >= 0; i-- {
			for rest := values[i]; ; n++ {
				comma := strings.LastIndexByte(rest, ',')
				if n == maxHops || !yield(strings.TrimSpace(rest[comma+1:])) {
					return
				}
				if comma < 0 {
					n++
					break
				}
				rest = rest[:comma]
			}
		}
	}
}

// hopOf reads an entry of X-Forwarded-For: an address. Some proxies add a port.
func hopOf(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	at, err := netip.ParseAddrPort(s)
	return at.Addr().Unmap().WithZone(""), err == nil
}

// forOf reads the parameter for of an element of Forwarded. Obfuscated names
// and "unknown" are not addresses.
func forOf(s string) (netip.Addr, bool) {
	for pair := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return hopOf(strings.Trim(value, `"`))
		}
	}
	return netip.Addr{}, false
}
