package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/broker/keys"
)

// nscConfig is what "nsc generate config --nats-resolver" writes, comments
// included.
const nscConfig = `# Operator named fairlead
operator: %s
# System Account named SYS
system_account: %s

# configuration of the nats based resolver
resolver {
    type: full
    # Directory in which the account jwt will be stored
    dir: './jwt'
    # In order to support jwt deletion, set to true
    # If the resolver type is full delete will rename the jwt.
    # This is to allow manual restoration in case of inadvertent deletion.
    # To restore a jwt, remove the added suffix .delete and restart or send a reload signal.
    # To free up storage you must manually delete files with the suffix .delete.
    allow_delete: false
    # Interval at which a nats-server with a nats based account resolver will compare
    # it's state with one random nats based account resolver in the cluster and if needed,
    # exchange jwt and converge on the same set of jwt.
    interval: "2m"
    # Timeout for lookup requests in case an account does not exist locally.
    timeout: "1.9s"
}


# Preload the nats based resolver with the system account jwt.
# This is not necessary but avoids a bootstrapping system account.
# This only applies to the system account. Therefore other account jwt are not included here.
# To populate the resolver:
# 1) make sure that your operator has the account server URL pointing at your nats servers.
#    The url must start with: "nats://"
#    nsc edit operator --account-jwt-server-url nats://localhost:4222
# 2) push your accounts using: nsc push --all
#    The argument to push -u is optional if your account server url is set as described.
# 3) to prune accounts use: nsc push --prune
#    In order to enable prune you must set above allow_delete to true
# Later changes to the system account take precedence over the system account jwt listed here.
resolver_preload: {
	%s: %s,
}
`

func writeNSCConfig(t *testing.T, l *keys.Layout, more string) string {
	t.Helper()
	op, err := os.ReadFile(l.OperatorFile())
	if err != nil {
		t.Fatal(err)
	}
	system, err := os.ReadFile(l.SystemFile())
	if err != nil {
		t.Fatal(err)
	}
	key := mustOperator(t, l).SystemAccount
	file := filepath.Join(t.TempDir(), "resolver.conf")
	write(t, file, fmt.Sprintf(nscConfig, strings.TrimSpace(string(op)), key, key, strings.TrimSpace(string(system)))+more)
	return file
}

func TestNATSConfig(t *testing.T) {
	for _, c := range []struct {
		name string
		more func(l *keys.Layout) string
		cfg  func(l *keys.Layout, c *Config)
	}{
		{
			"TLS by flags", func(*keys.Layout) string { return "" },
			func(l *keys.Layout, c *Config) {
				c.TLSCert, c.TLSKey = l.ServerCertFile(), l.ServerKeyFile()
				c.GuardCreds = l.GuardCredsFile()
			},
		},
		{
			"TLS by the file", func(l *keys.Layout) string {
				tls := fmt.Sprintf("tls { cert_file: %q, key_file: %q }\n", l.ServerCertFile(), l.ServerKeyFile())
				return tls + "websocket { port: -1, host: 127.0.0.1, " + tls + "}\nmax_payload: 1MB\nserver_name: conf\n"
			},
			func(_ *keys.Layout, c *Config) { c.WebsocketListen = "" },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLayout(t)
			file := writeNSCConfig(t, l, c.more(l))
			wd := t.TempDir()
			t.Chdir(wd)
			cfg := Config{NATSConfig: file, Listen: "127.0.0.1:0", WebsocketListen: "127.0.0.1:0", Logger: testLog(t)}
			c.cfg(l, &cfg)
			if report, err := Check(cfg); err != nil || len(report.Findings) > 0 {
				t.Fatalf("check: %v, %v", report, err)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), "jwt")); err == nil {
				t.Error("check made the resolver's directory")
			}
			b, err := Start(cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Shutdown)
			if entries, _ := os.ReadDir(wd); len(entries) > 0 {
				t.Errorf("made %v in the working directory", entries)
			}
			account, err := os.ReadFile(l.AccountFile(mustAccount(t, l, "acme")))
			if err != nil {
				t.Fatal(err)
			}
			push(t, l, b, string(account))
			agent := mustConnect(t, l, b.WebsocketURL(), agentCreds(t, l, "acme", "prod"))
			bridge := mustConnect(t, l, b.ClientURL(), bridgeCreds(t, l, "acme", "b1"))
			if err := roundTrip(bridge, agent, "b1", "prod", "a1"); err != nil {
				t.Fatal(err)
			}
			stored := filepath.Join(filepath.Dir(file), "jwt", filepath.Base(l.AccountFile(mustAccount(t, l, "acme"))))
			if _, err := os.Stat(stored); err != nil {
				t.Errorf("the pushed account is not in the directory next to the file: %v", err)
			}
		})
	}
}

// TestNATSConfigWays: connections that no role confines are not let in.
func TestNATSConfigWays(t *testing.T) {
	l := newLayout(t)
	for _, more := range []string{
		"leafnodes { port: -1 }\n", "mqtt { port: -1 }\n", "gateway { name: a, port: -1 }\n",
		"leafnodes { remotes: [ { url: \"tls://elsewhere:7422\" } ] }\n",
	} {
		report, err := Check(Config{NATSConfig: writeNSCConfig(t, l, more)})
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Findings) != 1 || !strings.Contains(report.Findings[0].What, "roles do not confine") {
			t.Errorf("%s: found %v", more, report.Findings)
		}
	}
}

func TestNATSConfigRefused(t *testing.T) {
	l := newLayout(t)
	good := writeNSCConfig(t, l, "")
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		file := filepath.Join(t.TempDir(), "resolver.conf")
		write(t, file, strings.Replace(string(text), old, new, 1))
		return file
	}
	for _, c := range []struct{ name, file, want string }{
		{"no such file", filepath.Join(t.TempDir(), "none.conf"), "none.conf"},
		{"a memory resolver", edit("type: full", "type: mem"), "must be of type full"},
		{"no resolver", edit("resolver {", "rest {"), "has no resolver"},
		{"not the language", edit("resolver {", "resolver }{"), "nats-config"},
		{"no operator", edit("operator:", "# operator:"), "operator"},
		{"no certificate", good, "tls-cert"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := Start(Config{
				NATSConfig: c.file, ResolverDir: t.TempDir(), Listen: "127.0.0.1:0",
				WebsocketListen: Off, Logger: testLog(t),
			})
			if err == nil {
				b.Shutdown()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want one with %q", err, c.want)
			}
		})
	}
}
