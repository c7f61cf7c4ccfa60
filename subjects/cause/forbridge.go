package cause

import "strings"

// bridgeFlags says what a bridge has instead of an agent's flags and credentials.
var bridgeFlags = strings.NewReplacer(
	"--server", "--broker-url",
	"--ca ", "--broker-ca ", "--ca.", "--broker-ca.", "--ca,", "--broker-ca,",
	"--client-cert", "--broker-client-cert",
	"--client-key", "--broker-client-key",
	"--tls-server-name", "--broker-tls-server-name",
	"--header", "--broker-header",
	"--proxy-credentials", "--broker-proxy-credentials",
	"--proxy-ca", "--broker-proxy-ca",
	"--insecure-transport", "--broker-insecure-transport",
	"Compare the account in the credentials with", "Compare the tenant's account in --tenants, and the key of --bridge-key, with",
)

// ForBridge returns the failure of a bridge's connection to a broker: what to do, which
// the catalogue says to agents, names the bridge's flags.
func (f *Failure) ForBridge() *Failure {
	own := *f
	own.Do = bridgeFlags.Replace(f.Cure())
	return &own
}

// ForService returns the failure of a forward proxy between a bridge and an issuer or a
// service of its access file: as ForBridge, without what is only about brokers.
func (f *Failure) ForService() *Failure {
	own := f.ForBridge()
	own.Do = strings.Replace(own.Do, ", or reach the broker as wss:// on port 443.", ".", 1)
	return own
}
