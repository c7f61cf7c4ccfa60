package helm

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// TestPlatformChanges makes every change that needs no restart: tenants and
// revocations by a push from outside; tenants, tokens and the certificate by the
// Secrets. Then the pods of all brokers are deleted at once, and the new ones still
// know what was pushed.
func TestPlatformChanges(t *testing.T) {
	p := newPlatformSpace(t, platformRelease)
	t.Parallel()
	p.applySecrets()
	p.helm(append([]string{"install", platformRelease, p.chart(), "--wait", "--timeout", within.String()}, built()...)...)
	brokers, bridges := p.pods("broker"), p.pods("bridge")

	// A new tenant that is in no Secret yet is pushed to one broker, which passes
	// it on to the others.
	server := p.forward()
	p.toldAll(p.broker("tenant", "add", "--dir", p.fl, "--tenant", "globex", "--server", server))
	p.broker("cluster", "add", "--dir", p.fl, "--tenant", "globex", "--cluster", "lab")
	p.installAgent("lab-agent", p.brokerURL(), p.file("creds", "lab.globex.creds"))

	// Then the Secrets give the bridges that tenant, another caller and another
	// certificate.
	token := p.newToken("--name", "ci", "--clusters", "*.globex")
	if code, body, err := p.get(t.Context(), "/v1/clusters/lab.globex", token); err != nil || code != http.StatusUnauthorized {
		t.Errorf("a token that the bridges do not know: %d %s %v", code, body, err)
	}
	serial := p.serials()
	p.broker("cert", "renew", "--dir", p.fl)
	p.applySecrets()
	err := harness.Until(t.Context(), "the bridges to know the tenant and the token", credsDelay, nil, func(ctx context.Context) error {
		code, body, err := p.get(ctx, "/v1/clusters/lab.globex", token)
		if err == nil && (code != http.StatusOK || !strings.Contains(string(body), `"state":"connected"`)) {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = harness.Until(t.Context(), "every listener to have the new certificate", credsDelay, nil, func(context.Context) error {
		for address, now := range p.serials() {
			if serial[address] == now {
				return fmt.Errorf("%s has not", address)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	p.unmoved(brokers, "broker")
	p.unmoved(bridges, "bridge")

	// Volumes keep what was pushed: the resolver.conf that these brokers start
	// with does not have globex, since it was written earlier.
	p.kubectl("delete", "pods", "--selector=app.kubernetes.io/component=broker")
	p.rollout()
	p.state("lab.globex", "connected", within)

	began := time.Now()
	p.toldAll(p.broker("cluster", "revoke", "--dir", p.fl, "--tenant", "globex", "--cluster", "lab", "--server", p.forward()))
	p.state("lab.globex", "offline", 5*time.Second)
	t.Logf("offline %s after the revocation began", time.Since(began).Round(time.Millisecond))
	code, body, err := p.get(t.Context(), "/k8s/clusters/lab.globex/version", "")
	if err != nil || code != http.StatusServiceUnavailable {
		t.Errorf("a request to an offline cluster: %d %s, %v", code, body, err)
	}
}

// toldAll checks in the output of a push that every broker has been notified.
func (p *platformSpace) toldAll(out string) {
	p.t.Helper()
	for name := range p.pods("broker") {
		if !strings.Contains(out, name) {
			p.t.Errorf("%s was not notified: %s", name, out)
		}
	}
}

// newToken adds a caller to tokens.yaml, as the README says, and returns its
// token.
func (p *platformSpace) newToken(args ...string) string {
	p.t.Helper()
	out, err := exec.CommandContext(p.t.Context(), p.system.Options.Binaries.Bridge,
		append([]string{"token", "new", "--tokens", p.file("tokens.yaml")}, args...)...).Output()
	if err != nil {
		p.t.Fatalf("token new: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// serials are the serial numbers, by address, of the certificates that brokers (by
// WebSocket) and bridges present.
func (p *platformSpace) serials() map[string]string {
	p.t.Helper()
	serials := map[string]string{}
	for component, port := range map[string]string{"broker": "4223", "bridge": "8443"} {
		for _, pod := range p.pods(component) {
			address := net.JoinHostPort(pod.Status.PodIP, port)
			config := p.client().Transport.(*http.Transport).TLSClientConfig.Clone()
			config.ServerName = p.bridgeHost()
			conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: config}).DialContext(p.t.Context(), "tcp", address)
			if err != nil {
				p.t.Fatal(err)
			}
			serials[address] = conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
			_ = conn.Close() // nothing was written
		}
	}
	return serials
}

// TestPlatformFromFiles makes the smallest installation, under another name, from
// files only. Its resolver.conf has only the system account, as nsc writes it;
// tenants are pushed afterwards. The agent connects by WebSocket.
func TestPlatformFromFiles(t *testing.T) {
	p := newPlatformSpace(t, "hub")
	t.Parallel()
	p.onlySystemAccount()
	// No --wait: a bridge is ready when a broker accepts it for a tenant, and the
	// brokers know no tenant before the push.
	p.helm(append([]string{
		"install", "hub", p.chart(),
		"--set-file", "config.resolverConf=" + p.file("resolver.conf"), "--set-file", "config.guardCreds=" + p.file("guard.creds"),
		"--set-file", "config.bridgeKey=" + p.file("keys", "bridge.nk"), "--set-file", "config.tenants=" + p.file("tenants.yaml"),
		"--set-file", "config.tokens=" + p.file("tokens.yaml"), "--set-file", "tls.crt=" + p.file("tls", "server.crt"),
		"--set-file", "tls.key=" + p.file("tls", "server.key"), "--set-file", "tls.ca=" + p.file("tls", "ca.crt"),
		"--set", "broker.replicas=1,bridge.replicas=1,broker.persistence.enabled=false,networkPolicy.enabled=true",
	}, built()...)...)
	p.kubectl("rollout", "status", "statefulset/hub-fairlead-broker", "--timeout", within.String())
	p.toldAll(p.broker("push", "--dir", p.fl, "--server", p.forward()))
	p.kubectl("rollout", "status", "deployment/hub-fairlead-bridge", "--timeout", within.String())
	p.tested("hub")
	p.installAgent("agent", "wss://hub-fairlead-broker."+p.space.name+".svc:4223", p.file("creds", "prod.acme.creds"))
	p.works("prod.acme")

	// An upgrade changes the tokens without a restart.
	before := p.pods("bridge")
	token := p.newToken("--name", "ci", "--clusters", "*")
	p.helm("upgrade", "hub", p.chart(), "--reset-then-reuse-values", "--set-file", "config.tokens="+p.file("tokens.yaml"))
	err := harness.Until(t.Context(), "the bridge to know the token", credsDelay, nil, func(ctx context.Context) error {
		code, body, err := p.get(ctx, "/v1/clusters", token)
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	p.unmoved(before, "bridge")
}

// onlySystemAccount takes the tenants out of resolver.conf.
func (p *platformSpace) onlySystemAccount() {
	p.t.Helper()
	text, err := os.ReadFile(p.file("resolver.conf"))
	if err != nil {
		p.t.Fatal(err)
	}
	head, tenants, found := strings.Cut(string(text), "    # acme\n")
	if !found || !strings.Contains(tenants, "}") {
		p.t.Fatalf("no tenant in %s", text)
	}
	if err := os.WriteFile(p.file("resolver.conf"), []byte(head+"}\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// TestPlatformFaults: 'kubectl describe' names the fault, and a broken upgrade
// leaves running pods alone.
func TestPlatformFaults(t *testing.T) {
	p := newPlatformSpace(t, platformRelease)
	t.Parallel()
	good, err := os.ReadFile(p.file("resolver.conf"))
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(p.file(filepath.FromSlash(name)), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seed, err := os.ReadFile(p.file("keys", "bridge.nk"))
	if err != nil {
		t.Fatal(err)
	}
	spoil("resolver.conf", "operator: nonsense\n")
	spoil("keys/bridge.nk", "nonsense\n")
	p.applySecrets()
	p.helm(append([]string{"install", platformRelease, p.chart(), "--set", "broker.replicas=2"}, built()...)...)
	p.describes("broker", `nats-config: /etc/fairlead/resolver.conf: `)
	p.describes("bridge", `bridge key: /etc/fairlead/bridge.nk holds no account signing key's seed`)

	spoil("resolver.conf", string(good))
	spoil("keys/bridge.nk", string(seed))
	p.applySecrets()
	// The kubelet would start them again by itself, but after its back-off.
	p.kubectl("delete", "pods", "--selector=app.kubernetes.io/instance="+platformRelease)
	p.rollout()
	p.installAgent("fairlead-agent", p.brokerURL(), p.file("creds", "prod.acme.creds"))
	p.works("prod.acme")

	p.helm("upgrade", platformRelease, p.chart(), "--reset-then-reuse-values", "--set", "image.tag=missing")
	p.until("the new pods to fail", func(ctx context.Context) error {
		waiting := map[string]bool{}
		for _, component := range []string{"broker", "bridge"} {
			for _, pod := range p.pods(component) {
				for _, c := range pod.Status.ContainerStatuses {
					waiting[component] = waiting[component] || c.State.Waiting != nil && c.State.Waiting.Reason == "ErrImageNeverPull"
				}
			}
		}
		if !waiting["broker"] || !waiting["bridge"] {
			return fmt.Errorf("waiting: %v", waiting)
		}
		return nil
	})
	p.works("prod.acme")
	p.helm("rollback", platformRelease)
	p.rollout()
	p.works("prod.acme")
}

// describes waits until 'kubectl describe' of a component's pods says why a
// container has ended.
func (p *platformSpace) describes(component, want string) {
	p.t.Helper()
	p.until("'kubectl describe' to say why", func(ctx context.Context) error {
		for _, pod := range p.pods(component) {
			for _, c := range pod.Status.ContainerStatuses {
				for _, s := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
					if s != nil && strings.Contains(s.Message, want) {
						return nil
					}
				}
			}
		}
		out, err := p.kube.Run(ctx, "", "describe", "pods", "--namespace", p.space.name)
		return fmt.Errorf("no %q in: %s %w", want, out, err)
	})
}
