//go:build linux

package network

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// connectsWithin is how long what expires while an agent is connected lives: until then the
// agent has to be started and connected, on a busy machine too.
const connectsWithin = 40 * time.Second

// natsProvocations are failures of the protocol and of the credentials.
var natsProvocations = []provocation{
	{hop: cause.NATS, cause: cause.NotNATS, how: "SSH", open: true, set: natsAt("ssh"), cure: func(si *site) {
		si.lead(si.faults().at["ssh"], strings.TrimPrefix(si.system.BrokerURLs(), "tls://"))
	}},
	{hop: cause.NATS, cause: cause.ProtocolMismatch, how: "endless first line", open: true, set: natsAt("endless")},
	{hop: cause.NATS, cause: cause.Unknown, how: "an error of its own", open: true, set: func(si *site) route {
		return route{server: "nats://" + si.faults().at["moon"], flags: []string{"--insecure-transport"}}
	}},
	{hop: cause.NATS, cause: cause.BrokerFull, how: "no connection left", open: true, set: func(si *site) route { return si.fullBroker() }},
	{hop: cause.JWT, cause: cause.UserExpired, how: "expired before", open: true, set: func(si *site) route {
		si.creds = si.signed("agent.nk", func(c *jwt.UserClaims) { c.Expires = time.Now().Add(-time.Hour).Unix() })
		return route{server: si.server("tls")}
	}},
	{hop: cause.JWT, cause: cause.UserExpired, how: "expires while connected", open: true, set: func(si *site) route {
		si.creds = si.signed("agent.nk", func(c *jwt.UserClaims) { c.Expires = time.Now().Add(connectsWithin).Unix() })
		return route{server: si.server("tls")}
	}, then: func(*site) {}, cure: renew},
	{hop: cause.JWT, cause: cause.UserNotYetValid, how: "valid in an hour", open: true, set: func(si *site) route {
		si.creds = si.signed("agent.nk", func(c *jwt.UserClaims) { c.NotBefore = time.Now().Add(time.Hour).Unix() })
		return route{server: si.server("tls")}
	}},
	{hop: cause.JWT, cause: cause.UserRevoked, how: "revoked while connected", open: true, set: func(si *site) route {
		si.copyCreds()
		return route{server: si.server("tls")}
	}, then: func(si *site) {
		si.broker("cluster", "revoke", "--tenant", "acme", "--cluster", si.cluster, "--server", si.system.BrokerURLs())
	}, doctor: &finding{cause.JWT, cause.WrongAccount}, // brokers do not say that credentials were revoked before
		cure: renew},
	{hop: cause.JWT, cause: cause.WrongAccount, how: "of another broker", open: true, set: func(si *site) route {
		si.creds = si.otherBroker()
		return route{server: si.server("tls")}
	}},
	{hop: cause.JWT, cause: cause.WrongCluster, how: "another cluster", open: true, set: func(si *site) route {
		return route{server: si.server("tls"), flags: []string{"--cluster", "another"}}
	}},
	{hop: cause.JWT, cause: cause.BadCredentials, how: "no file", open: true, set: func(si *site) route {
		si.creds = filepath.Join(si.dir, "no-such-file")
		return route{server: si.server("tls")}
	}},
	{hop: cause.Permission, cause: cause.PermissionMissing, how: "key of a bridge", open: true, set: func(si *site) route {
		si.creds = si.signed("bridge", nil)
		return route{server: si.server("tls")}
	}},
	{hop: cause.JWT, cause: cause.AccountExpired, how: "expires while connected", open: true, set: func(si *site) route {
		si.tenant(func(c *jwt.AccountClaims) { c.Expires = time.Now().Add(connectsWithin).Unix() })
		return route{server: si.server("tls")}
	}, doctor: &finding{cause.JWT, cause.WrongAccount}}, // brokers do not say at the next attempt that the account has expired
	{hop: cause.JWT, cause: cause.AccountFull, how: "no connection left", open: true, set: func(si *site) route {
		si.tenant(func(c *jwt.AccountClaims) { c.Limits.Conn = 0 })
		return route{server: si.server("tls")}
	}},
}

func natsAt(server string) func(*site) route {
	return func(si *site) route {
		si.t.Helper()
		return route{server: "tls://" + si.faults().at[server]}
	}
}

// renew puts new credentials into the agent's file.
func renew(si *site) {
	si.t.Helper()
	si.copy(si.signed("agent.nk", nil), si.creds)
}

// copyCreds gives the agent a copy of its credentials, which outlives a revocation.
func (si *site) copyCreds() {
	si.t.Helper()
	copied := filepath.Join(si.dir, "copy.creds")
	si.copy(si.creds, copied)
	si.creds = copied
}

// broker runs a command of fairlead-broker on the folder that brokers start from. Only one
// runs at a time.
func (si *site) broker(args ...string) {
	si.t.Helper()
	si.mu.Lock()
	defer si.mu.Unlock()
	if _, err := si.system.BrokerCommand(si.t.Context(), append(args, "--dir", si.system.Config)...); err != nil {
		si.t.Fatal(err)
	}
}

// key reads a private key of the folder that brokers start from.
func (si *site) key(path ...string) nkeys.KeyPair {
	si.t.Helper()
	seed, err := os.ReadFile(filepath.Join(append([]string{si.system.Config, "keys"}, path...)...))
	si.must(err)
	pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
	si.must(err)
	return pair
}

// signed writes credentials for the site's cluster that are signed with the key of the
// tenant's agents, or of bridges.
func (si *site) signed(role string, change func(*jwt.UserClaims)) (file string) {
	si.t.Helper()
	user, err := nkeys.CreateUser()
	si.must(err)
	public, err := user.PublicKey()
	si.must(err)
	account, err := si.key("tenants", "acme", "account.nk").PublicKey()
	si.must(err)
	claims := jwt.NewUserClaims(public)
	claims.Name, claims.IssuerAccount = si.cluster, account
	claims.UserPermissionLimits = jwt.UserPermissionLimits{} // those of the key
	signer := []string{"tenants", "acme", role}
	if role == "bridge" {
		signer = []string{"bridge.nk"}
	}
	if change != nil {
		change(claims)
	}
	token, err := claims.Encode(si.key(signer...))
	si.must(err)
	seed, err := user.Seed()
	si.must(err)
	creds, err := jwt.FormatUserConfig(token, seed)
	si.must(err)
	file = filepath.Join(si.dir, "signed.creds")
	si.must(os.MkdirAll(si.dir, 0o755))
	si.must(os.WriteFile(file, creds, 0o600))
	return file
}

// otherBroker makes credentials for the same names at another broker.
func (si *site) otherBroker(more ...string) (file string) {
	si.t.Helper()
	dir := filepath.Join(si.dir, "other")
	_, err := si.system.BrokerCommand(si.t.Context(), append([]string{"init", "--dir", dir, "--tenant", "acme", "--cluster", si.cluster}, more...)...)
	si.must(err)
	return filepath.Join(dir, "creds", si.cluster+".acme.creds")
}

// tenant gives the agent credentials of a tenant of its own, and changes the tenant's
// account at the broker.
func (si *site) tenant(change func(*jwt.AccountClaims)) {
	si.t.Helper()
	name := fmt.Sprintf("t%s", strings.ReplaceAll(si.ip, ".", "-"))
	si.broker("tenant", "add", "--tenant", name, "--no-push")
	si.broker("cluster", "add", "--tenant", name, "--cluster", si.cluster)
	si.creds = filepath.Join(si.system.Config, "creds", si.cluster+"."+name+".creds")
	account, err := si.key("tenants", name, "account.nk").PublicKey()
	si.must(err)
	file := filepath.Join(si.system.Config, "jwt", account+".jwt")
	text, err := os.ReadFile(file)
	si.must(err)
	claims, err := jwt.DecodeAccountClaims(strings.TrimSpace(string(text)))
	si.must(err)
	change(claims)
	token, err := claims.Encode(si.key("operator-signing.nk"))
	si.must(err)
	si.must(os.WriteFile(file, []byte(token), 0o600))
	si.broker("push", "--server", si.system.BrokerURLs())
}

// fullBroker is a broker of its own, which may have one connection, and has it.
func (si *site) fullBroker() route {
	si.t.Helper()
	si.creds = si.otherBroker("--host", outsideIP)
	dir := filepath.Join(si.dir, "other")
	text, err := si.system.BrokerCommand(si.t.Context(), "nats-config", "--dir", dir)
	si.must(err)
	config, ca := filepath.Join(dir, "full.conf"), filepath.Join(dir, "tls", "ca.crt")
	si.must(os.WriteFile(config, []byte(text+"\nmax_connections: 1\n"), 0o600))
	at, err := freeport.AddressOn(outsideIP)
	si.must(err)
	process, err := si.run(si.t.Context(), program{
		name: "full-" + si.cluster, dir: dir, path: si.system.Options.Binaries.Broker, listen: at,
		args: []string{"run", "--nats-config", config, "--listen", at, "--websocket-listen", "off", "--ops-listen", "",
			"--tls-cert", filepath.Join(dir, "tls", "server.crt"), "--tls-key", filepath.Join(dir, "tls", "server.key")},
	})
	si.must(err)
	si.t.Cleanup(func() { _ = process.Kill() })
	// The look whether it listens has taken the one connection for a moment.
	si.must(harness.Until(si.t.Context(), "the one connection", startsWithin, process, func(context.Context) error {
		nc, err := nats.Connect("tls://"+at, nats.UserCredentials(si.creds), nats.RootCAs(ca))
		if err == nil {
			si.t.Cleanup(nc.Close)
		}
		return err
	}))
	return route{server: "tls://" + at, flags: []string{"--ca", ca}}
}
