package link

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/nats-io/nats.go"
)

// explain says what an error of a connection to the broker means, as far as
// that is known. The same cause gives the same words each time, without ports
// and durations that change: they are logged once a minute and may be matched.
func explain(err error, creds *Creds) string { return plain(meaning(err, creds)) }

// maxReason bounds the text about one failure, in characters.
const maxReason = 600

// plain makes a text fit for a log and a terminal. Some of it is not ours: a
// server that is not verified yet can put anything into the names of its
// certificate.
func plain(text string) string {
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text))
	if len(r) > maxReason {
		return string(r[:maxReason]) + "..."
	}
	return string(r)
}

func meaning(err error, creds *Creds) string {
	switch {
	case errors.Is(err, nats.ErrAuthExpired):
		if gone := creds.Expired(time.Now()); gone != nil {
			return gone.Error()
		}
		return "the broker says that the credentials have expired"
	case errors.Is(err, nats.ErrAuthRevoked):
		return revoked
	case errors.Is(err, nats.ErrAccountAuthExpired):
		return "the tenant's account has expired"
	case errors.Is(err, nats.ErrMaxAccountConnectionsExceeded):
		return "the tenant's account is at its limit of connections, or disabled"
	case errors.Is(err, nats.ErrAuthorization):
		return refusalReason(creds)
	case errors.Is(err, nats.ErrPermissionViolation):
		return "the credentials lack a permission that an agent needs (signed with another role's key?)"
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "the server there does not speak TLS"
	case errors.Is(err, nats.ErrStaleConnection):
		// The third of natslink's pings is due, and none was answered.
		return "the broker has not answered for 15 s: the path to it went silent"
	case errors.Is(err, nats.ErrNoServers):
		return "no server can be reached"
	}
	return explainNetwork(err)
}

// revoked is what a revocation is called, however the agent learns of it.
const revoked = "credential revoked"

func explainNetwork(err error) string {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the broker's certificate does not verify (see --ca): " + e.Error()
	}
	if e, ok := errors.AsType[tls.AlertError](err); ok {
		return "the server there refuses TLS: " + e.Error()
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return "the broker's name cannot be resolved: " + ownEnd.ReplaceAllString(e.Error(), "")
	}
	return ownEnd.ReplaceAllString(err.Error(), "")
}

// ownEnd is this end of a connection as package net writes it: its port would
// make each failure look different.
var ownEnd = regexp.MustCompile(`[^\s"]+->`)

// refusalReason explains the answer that a broker gives to all credentials that
// it does not accept, from what it has said before and from what the credentials
// themselves show.
func refusalReason(c *Creds) string {
	if c.revoked.Load() {
		return revoked
	}
	if err := c.Expired(time.Now()); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("the broker refuses the credentials of cluster %s: revoked, of an unknown tenant, of another broker, or signed with a key that was removed", c.Cluster)
}

// unfit reports whether the credentials are good for a connection but not for an
// agent.
func unfit(err error) bool { return errors.Is(err, nats.ErrPermissionViolation) }
