package dial

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// secure makes TLS on conn, until the attempt's deadline. protocols are for ALPN. After
// an error conn is closed.
func (d *Dialer) secure(conn net.Conn, protocols ...string) (net.Conn, error) {
	ctx, cancel := context.WithDeadline(context.Background(), d.deadline)
	defer cancel()
	config := d.TLS.Clone()
	config.NextProtos = protocols
	if config.ServerName == "" {
		config.ServerName = d.Server.Hostname()
	}
	began := time.Now()
	first := &firstBytes{Conn: conn}
	c := tls.Client(first, config)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		f := d.refusedBeforeTLS(first.bytes())
		if f == nil {
			f = classify.Error(cause.TLS, "TLS handshake with "+Address(d.Server)+" as "+config.ServerName, err)
			d.suspect(f)
		}
		d.trace(began, Step{Hop: cause.TLS, Target: config.ServerName, Err: f})
		return nil, f
	}
	state := c.ConnectionState()
	d.trace(began, Step{Hop: cause.TLS, Target: config.ServerName, TLS: &state})
	return c, nil
}

// suspect improves the cause of a certificate that does not verify by what else is
// known of the attempt.
func (d *Dialer) suspect(f *cause.Failure) {
	switch f.Cause {
	case cause.CertificateUnknown:
		d.suspectProxy(f)
	case cause.CertificateExpired:
		other := d.OtherClock()
		if !other.Off() {
			return
		}
		f.Got = cause.Plain(other.String() + "; " + f.Got)
		e, ok := errors.AsType[x509.CertificateInvalidError](f.Err)
		if there := other.Now(); ok && e.Cert != nil && there.After(e.Cert.NotBefore) && there.Before(e.Cert.NotAfter) {
			f.Cause = cause.ClockSkew
		}
	}
}

// suspectProxy accuses the proxy on the way of a chain that does not verify only where the
// chain bears its name. That the CA is not a public one is no sign of it: brokers have
// private CAs.
func (d *Dialer) suspectProxy(f *cause.Failure) {
	if d.via == "" {
		return
	}
	e, ok := errors.AsType[*tls.CertificateVerificationError](f.Err)
	if ok && classify.IssuedBy(e.UnverifiedCertificates, d.viaHost) {
		f.Cause = cause.Intercepted
		return
	}
	f.Do = "Compare the chain and the fingerprint with what the server's owner expects. If they are the server's own, give its CA with --ca. " +
		"If not, the " + d.via + " or a device behind it may break up TLS: have the server's host exempted from inspection."
}

// offer is what the greeting of a server says of TLS.
type offer struct {
	Required  bool `json:"tls_required"`
	Available bool `json:"tls_available"`
}

// offered reads the greeting. ok is false for what is no JSON, which is left to nats.go:
// it reads the greeting next.
func offered(greeted []byte) (o offer, ok bool) {
	line, _, _ := bytes.Cut(greeted, []byte("\n"))
	return o, json.Unmarshal(line[len(greeting):], &o) == nil
}

// secured reports whether TLS follows the greeting: with tls:// always, with nats:// if
// the server demands it.
func (d *Dialer) secured(greeted []byte) bool {
	o, _ := offered(greeted)
	return d.Server.Scheme == "tls" || d.Server.Scheme == "nats" && o.Required
}

// secureNATS makes TLS after the greeting of a server, which says whether it has it.
func (d *Dialer) secureNATS(conn net.Conn, greeted []byte) (net.Conn, error) {
	if o, ok := offered(greeted); ok && !o.Required && !o.Available {
		_ = conn.Close()
		return nil, &cause.Failure{Hop: cause.TLS, Cause: cause.NotTLS, Tried: "TLS handshake with " + Address(d.Server), Got: "the NATS server there has TLS switched off"}
	}
	return d.secure(conn)
}
