package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
)

// lookAtStore connects to the store's account, and asks for its streams. A stream that
// is not there yet is made by the first bridge that needs it. Without a broker that can be
// reached the store is not looked at.
func (c *Config) lookAtStore(ctx context.Context, reached bool) *diagnosis.Target {
	t := diagnosis.New("shared store", "store", diagnosis.Store)
	check := t.Checks[0]
	if !reached {
		return t
	}
	config := *c.Store
	config.ID, config.Logger = subjects.NewID('b'), nil
	s, err := store.Open(config)
	if err != nil {
		check.Fault("the store's settings cannot be used", err.Error(), "Check --store-account and --store-key.")
		return t
	}
	defer s.Close()
	if err := s.Wait(ctx, c.Timeout); err != nil {
		check.Fail(natslink.Failure("connect to account "+config.Account, err).ForBridge())
		return t
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var found []string
	for _, name := range subjects.StoreStreams() {
		asking, release := s.Asking(ctx, "$JS.API.STREAM.INFO."+name)
		_, err := s.JetStream().Stream(asking, name)
		err = s.Failed(asking, err)
		release()
		switch {
		case err == nil:
			found = append(found, name)
		case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, store.ErrNoRight):
		default:
			check.Fault("a stream of the store cannot be used", name+": "+err.Error(),
				"Check whether the brokers have JetStream for this account (docs/store.md), and enough of them are up.")
			return t
		}
	}
	check.Fact("account", config.Account)
	check.Fact("streams", strings.Join(found, ", "))
	if len(found) == 0 {
		found = []string{"no stream yet: the first bridge that needs one makes it"}
	}
	check.Pass("account " + config.Account + ", " + strings.Join(found, ", "))
	if err := s.Missing(); err != nil {
		check.Warn(err.Error())
	}
	return t
}

// lookAtCertificate reads the certificate that the bridge serves with.
func (c *Config) lookAtCertificate() *diagnosis.Target {
	t := diagnosis.New("certificate "+c.CertFile, "certificate", diagnosis.Certificate)
	check := t.Checks[0]
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		check.Fault("certificate and key cannot be used", err.Error(), "Check --tls-cert and --tls-key.")
		return t
	}
	now := time.Now()
	var others []string
	for _, host := range c.Hosts {
		if pair.Leaf.VerifyHostname(host) != nil {
			others = append(others, host)
		}
	}
	check.Fact("subject", pair.Leaf.Subject.String())
	check.Fact("issuer", pair.Leaf.Issuer.String())
	check.Fact("names", strings.Join(pair.Leaf.DNSNames, ", "))
	check.Fact("notAfter", pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	expired := now.After(pair.Leaf.NotAfter)
	switch {
	case expired:
		check.Fault("certificate expired", diagnosis.Until(pair.Leaf.NotAfter, now), "Renew it. The bridge reads the file again.")
	case len(others) > 0 && !c.FrontProxy:
		check.Fault("certificate for other names", fmt.Sprintf("its names are %s; it is not good for %s", names(pair.Leaf), strings.Join(others, ", ")),
			"Have it issued for these names too: docs/hosts.md says which a cluster domain needs.")
	default:
		check.Pass("for " + names(pair.Leaf) + ", " + diagnosis.Until(pair.Leaf.NotAfter, now))
		check.WarnExpiry("the certificate", pair.Leaf.NotAfter, now)
		if len(others) > 0 {
			check.Warn("not good for " + strings.Join(others, ", ") + ": the front proxy (--trusted-proxies) must terminate TLS with a certificate for these names, and verify the bridge by a name that the bridge's certificate has")
		}
	}
	return t
}

func names(c *x509.Certificate) string {
	all := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return strings.Join(all, ", ")
}

// lookAtAccess shows the verdict on the access file.
func (c *Config) lookAtAccess() *diagnosis.Target {
	t := diagnosis.New("access file "+c.Access.File, "access-file", diagnosis.AccessFile)
	check := t.Checks[0]
	if len(c.Access.Faults) > 0 {
		check.Fault("the access file cannot be used", strings.Join(c.Access.Faults, "; "),
			"Mend it; 'fairlead-bridge check-config' shows each line at fault. A running bridge goes on with what it read before.")
	} else {
		check.Pass(c.Access.Summary)
	}
	for _, w := range c.Access.Warnings {
		check.Warn(w)
	}
	return t
}

// lookAtListener asks the bridge itself, if it runs.
func (c *Config) lookAtListener(ctx context.Context) *diagnosis.Target {
	t := diagnosis.New("the bridge itself", "listener", diagnosis.Listener)
	check := t.Checks[0]
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Ops+"/readyz", nil)
	if err != nil {
		check.Fault("the ops address cannot be used", err.Error(), "Check --ops-listen.")
		return t
	}
	// No proxy from the environment: the listener is on this host.
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		check.Skip("no bridge runs here: nothing listens at " + c.Ops)
		return t
	case err != nil:
		check.Fail(natslink.Failure("request /readyz at "+c.Ops, err))
		return t
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if res.StatusCode != http.StatusOK {
		check.FaultLines("the running bridge is not ready", "/readyz at "+c.Ops+" answers "+res.Status, string(body), "Read the lines above, and its log.")
		return t
	}
	check.Pass("runs, and is ready: /readyz at " + c.Ops + " answers 200")
	return t
}
