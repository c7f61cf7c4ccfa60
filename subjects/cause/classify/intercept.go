package classify

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
)

// inspectors are what devices and programs that inspect TLS, and those who run them, call
// their own authorities, in lower case. None of these is in the name of a public authority,
// of one that "fairlead-broker init" makes, or of those of Kubernetes, such as
// front-proxy-ca.
var inspectors = []string{
	"avast", "avg technologies", "barracuda", "bitdefender", "blue coat", "bluecoat", "cato networks", "charles proxy",
	"check point", "cisco umbrella", "cisco secure access", "clavister", "cloudflare gateway", "cloudflare for teams",
	"contentkeeper", "cyberoam", "decrypt", "do_not_trust_fiddler", "eset ssl filter", "fiddler", "forcepoint", "fortigate",
	"fortinet", "gateway ca - cloudflare", "hillstone", "iboss", "inspection", "intercept", "kaspersky", "kerio", "lightspeed systems",
	"mcafee web gateway", "menlo security", "mitm", "netskope", "netspark", "opendns", "palo alto networks",
	"pan-os", "portswigger", "proxyman", "sangfor", "securly", "skyhigh", "smoothwall", "sonicwall", "sophos",
	"squid", "ssl proxy", "sslsplit", "stormshield", "tls proxy", "trend micro web", "untangle", "watchguard", "web gateway", "web proxy", "websense", "zscaler",
}

// Inspected reports whether a chain bears the name of a device or program that inspects
// TLS. It is a guess: anyone can put any name into a certificate.
func Inspected(chain []*x509.Certificate) bool {
	return slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		names := strings.ToLower(c.Issuer.String())
		return slices.ContainsFunc(inspectors, func(s string) bool { return strings.Contains(names, s) })
	})
}

// IssuedBy reports whether a chain bears the full name of a host as that of an authority,
// as that of a forward proxy that inspects TLS may. An address or a single word is not
// looked for.
func IssuedBy(chain []*x509.Certificate, host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") {
		return false
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		return strings.Contains(strings.ToLower(c.Issuer.String()), host)
	})
}
