package classify

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
)

// inspectors are what devices and programs that inspect TLS call their own authorities,
// in lower case. None of these names is one of a public authority, nor a common word.
var inspectors = []string{
	"avast", "avg technologies", "barracuda", "bitdefender", "blue coat", "bluecoat", "cato networks", "charles proxy",
	"check point", "cisco umbrella", "cisco secure access", "clavister", "cloudflare gateway", "cloudflare for teams",
	"contentkeeper", "cyberoam", "do_not_trust_fiddler", "eset ssl filter", "fiddler", "forcepoint", "fortigate",
	"fortinet", "gateway ca - cloudflare", "hillstone", "iboss", "kaspersky", "kerio", "lightspeed systems",
	"mcafee web gateway", "menlo security", "mitmproxy", "netskope", "netspark", "opendns", "palo alto networks",
	"pan-os", "portswigger", "proxyman", "sangfor", "securly", "skyhigh", "smoothwall", "sonicwall", "sophos",
	"squid", "sslsplit", "stormshield", "trend micro web", "untangle", "watchguard", "websense", "zscaler",
}

// Inspected reports whether a chain bears the name of a device or program that inspects
// TLS. It is a guess: anyone can put any name into a certificate.
func Inspected(chain []*x509.Certificate) bool {
	return slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		names := strings.ToLower(c.Issuer.String())
		return slices.ContainsFunc(inspectors, func(s string) bool { return strings.Contains(names, s) })
	})
}

// Public reports whether a host's name or address is one of the public Internet, for
// which a private authority is unusual.
func Public(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsGlobalUnicast() && !a.IsPrivate()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	dot := strings.LastIndexByte(host, '.')
	return dot > 0 && !slices.Contains(privateDomains, host[dot+1:])
}

// privateDomains are top-level domains that the public DNS does not have: those of RFC
// 6761 and RFC 6762, and those that networks of companies use.
var privateDomains = []string{
	"alt", "arpa", "corp", "example", "home", "internal", "intra", "intranet", "invalid", "lan", "local", "localdomain",
	"localhost", "onion", "private", "svc", "test",
}
