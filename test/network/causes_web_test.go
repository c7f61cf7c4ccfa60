//go:build linux

package network

import (
	"path/filepath"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// at is the way to the broker by WebSocket, at a server of the nginx that does everything
// wrong.
func at(server, path string) func(*site) route {
	return func(si *site) route {
		si.t.Helper()
		return route{server: si.faulty(server, path)}
	}
}

// instead leads the agent's next connections to one server of that nginx to another, such
// as the good one.
func instead(server, other string) func(*site) {
	return func(si *site) {
		si.t.Helper()
		si.lead(si.faults().at[server], si.faults().at[other])
	}
}

// tlsProvocations are failures of TLS.
var tlsProvocations = []provocation{
	{hop: cause.TLS, cause: cause.CertificateUnknown, how: "another CA", open: true, set: at("unknown-ca", "/")},
	{hop: cause.TLS, cause: cause.CertificateExpired, how: "expired", open: true, set: at("expired", "/"), cure: instead("expired", "good")},
	{hop: cause.TLS, cause: cause.CertificateExpired, how: "not valid yet", open: true, set: at("early", "/")},
	{hop: cause.TLS, cause: cause.CertificateName, how: "another name", open: true, set: at("other-name", "/")},
	{hop: cause.TLS, cause: cause.CertificateInvalid, how: "for clients", open: true, set: at("for-clients", "/")},
	{hop: cause.HTTPUpgrade, cause: cause.ClientCertificate, how: "none sent", open: true, set: at("wants-client", "/")},
	{hop: cause.TLS, cause: cause.TLSRefused, how: "handshake rejected", open: true, set: at("no-handshake", "/")},
	{hop: cause.TLS, cause: cause.NotTLS, how: "plain HTTP", open: true, set: at("plain", "/")},
	{hop: cause.TLS, cause: cause.LocalFile, how: "no file with CAs", open: true, set: func(si *site) route {
		return route{server: si.server("tls"), flags: []string{"--ca", filepath.Join(si.dir, "no-such-file")}}
	}, cure: func(si *site) { si.copy(si.caFile, filepath.Join(si.dir, "no-such-file")) }},
	{hop: cause.TLS, cause: cause.Intercepted, how: "squid inspects", set: func(si *site) route {
		return proxied("squid-bump", squidBump, "http", "")(si).to(si.server("wss"))
	}},
}

// webProvocations are failures of a web server in front of the broker.
var webProvocations = []provocation{
	{hop: cause.HTTPUpgrade, cause: cause.Redirected, how: "301", open: true, set: at("web", "/301"), cure: instead("web", "good")},
	{hop: cause.HTTPUpgrade, cause: cause.HTTPOK, how: "200", open: true, set: at("web", "/200")},
	{hop: cause.HTTPUpgrade, cause: cause.BadRequest, how: "400", open: true, set: at("web", "/400")},
	{hop: cause.HTTPUpgrade, cause: cause.UpgradeRequired, how: "no headers for the upgrade", open: true, set: at("web", "/no-upgrade")},
	{hop: cause.HTTPUpgrade, cause: cause.UpgradeRequired, how: "HTTP 1.0 to the broker", open: true, set: at("web", "/http-1.0")},
	{hop: cause.HTTPUpgrade, cause: cause.HTTPUnauthorized, how: "a login", open: true, set: at("web", "/401")},
	{hop: cause.HTTPUpgrade, cause: cause.HTTPForbidden, how: "deny", open: true, set: at("web", "/403")},
	{hop: cause.HTTPUpgrade, cause: cause.HTTPNotFound, how: "no location", open: true, set: at("web", "/nothing")},
	{hop: cause.HTTPUpgrade, cause: cause.HTTPTooLarge, how: "413", open: true, set: at("web", "/413")},
	{hop: cause.HTTPUpgrade, cause: cause.UpgradeRequired, how: "426", open: true, set: at("web", "/426")},
	{hop: cause.HTTPUpgrade, cause: cause.RateLimited, how: "429", open: true, set: at("web", "/429")},
	{hop: cause.HTTPUpgrade, cause: cause.RateLimitGaveUp, how: "429 again and again", open: true, set: at("web", "/429-often"), doctor: &finding{cause.HTTPUpgrade, cause.RateLimited}}, // it asks once
	{hop: cause.HTTPUpgrade, cause: cause.BadGateway, how: "502", open: true, set: at("web", "/502")},
	{hop: cause.HTTPUpgrade, cause: cause.BadGateway, how: "503", open: true, set: at("web", "/503")},
	{hop: cause.HTTPUpgrade, cause: cause.BadGateway, how: "504", open: true, set: at("web", "/504")},
	{hop: cause.HTTPUpgrade, cause: cause.HTTPStatus, how: "418", open: true, set: at("web", "/418")},
}
