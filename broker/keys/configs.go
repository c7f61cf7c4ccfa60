package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"path/filepath"
)

// DefaultStoreMax bounds the bytes that one broker keeps of what bridges share: over
// twice what the streams reserve by default.
const DefaultStoreMax = 10 << 30

const brokerYAML = `# fairlead-broker run --config %[1]s
# Keys are the flags of 'fairlead-broker run'; relative paths are relative to
# this file.
dir: .
# What bridges share (approvals, audit, recordings) is kept here.
store-dir: store
# store-max: %[2]d   # bytes
# listen: ":4222"
# websocket-listen: ":4223"
# ops-listen: "127.0.0.1:8082"
#
# A cluster of three: give each node a copy of this directory without keys,
# creds, token, store and tls/ca.key, its own name, and the others' routes.
# name: broker-1
# routes-listen: ":6222"
# routes: ["tls://broker-2:6222", "tls://broker-3:6222"]
`

const bridgeYAML = `# fairlead-bridge run --config %[1]s
# Keys are the flags of 'fairlead-bridge run'; relative paths are relative to this
# file.
# listen: ":8443"
# ops-listen: "127.0.0.1:8081"
public-url: "https://%[2]s"
%[4]s
tls-cert: tls/server.crt
tls-key: tls/server.key
tls-ca: tls/ca.crt
tokens: tokens.yaml
# access: access.yaml   # who may do what: ID tokens, grants, limits, audit; a first one: docs/first-grant.md
# webhooks: webhooks.yaml   # who is sent what happens to clusters: docs/events.md
tenants: tenants.yaml
bridge-key: keys/bridge.nk
# The bridge runs its own broker from this directory. For a separate broker,
# use these two instead of broker-dir and broker-store-dir:
#   broker-url: "%[3]s"
#   broker-ca: tls/ca.crt
broker-dir: .
broker-store-dir: store
# The account for what bridges share, in broker-store-dir or in the separate broker.
store-account: %[5]s
store-key: keys/store.nk
`

func (l *Layout) writeConfigs(o InitOptions, platform string) error {
	bridge := filepath.Join(l.dir, "bridge.yaml")
	domain := `# cluster-domain: k8s.example.com   # a host for each cluster; the certificate needs the names`
	if o.ClusterDomain != "" {
		domain = fmt.Sprintf("cluster-domain: %q", o.ClusterDomain)
	}
	content := fmt.Sprintf(bridgeYAML, bridge, net.JoinHostPort(o.host(), "8443"), o.BrokerURL(), domain, platform)
	if err := writeNew(bridge, []byte(content), publicMode); err != nil {
		return fmt.Errorf("bridge configuration: %w", err)
	}
	broker := filepath.Join(l.dir, "broker.yaml")
	if err := writeNew(broker, fmt.Appendf(nil, brokerYAML, broker, int64(DefaultStoreMax)), publicMode); err != nil {
		return fmt.Errorf("broker configuration: %w", err)
	}
	return nil
}

// newToken makes the first token of the bridge's callers: 256 random bits,
// which need no slow hash.
func (l *Layout) newToken() error {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails since Go 1.24
	token := "fl_" + base64.RawURLEncoding.EncodeToString(random[:])
	hash := sha256.Sum256([]byte(token))
	// In the form that 'fairlead-bridge token new --tokens' writes it.
	list := "# Who may call the bridge. Only hashes are kept; the first token is in the file token.\n" +
		"tokens:\n- name: admin\n  hash: \"sha256:" + hex.EncodeToString(hash[:]) + "\"\n  clusters: [\"*\"]\n"
	if err := writeNew(l.TokensFile(), []byte(list), secretMode); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	if err := writeNew(l.TokenFile(), []byte(token+"\n"), secretMode); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	return nil
}
