package link

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

// TestJudgeTellsCausesApart: by what the broker says, what it has said before, and what
// the credentials and clocks show.
func TestJudgeTellsCausesApart(t *testing.T) {
	now := time.Now()
	ahead := &dial.Clock{Ahead: 2 * time.Hour, Of: "the other end"}
	behind := &dial.Clock{Ahead: -2 * time.Hour, Of: "the API server"}
	little := &dial.Clock{Ahead: 5 * time.Second, Of: "the other end"}
	for name, test := range map[string]struct {
		err   error
		creds Creds
		clock *dial.Clock
		hop   cause.Hop
		want  cause.ID
		says  string
	}{
		"revoked now":                {nats.ErrAuthRevoked, Creds{}, nil, cause.JWT, cause.UserRevoked, "credential revoked"},
		"revoked before":             {nats.ErrAuthorization, Creds{revoked: isSet()}, nil, cause.JWT, cause.UserRevoked, "credential revoked"},
		"account expired":            {nats.ErrAccountAuthExpired, Creds{}, nil, cause.JWT, cause.AccountExpired, "account"},
		"account full":               {nats.ErrMaxAccountConnectionsExceeded, Creds{}, nil, cause.JWT, cause.AccountFull, "at its limit of connections"},
		"no reason":                  {nats.ErrAuthorization, Creds{Account: "AB"}, nil, cause.JWT, cause.WrongAccount, "of account AB"},
		"expired":                    {nats.ErrAuthorization, Creds{Expires: now.Add(-time.Minute)}, nil, cause.JWT, cause.UserExpired, "cluster prod expired on 20"},
		"expired while used":         {nats.ErrAuthExpired, Creds{Expires: now.Add(-time.Second)}, nil, cause.JWT, cause.UserExpired, "cluster prod expired on 20"},
		"expired there":              {nats.ErrAuthExpired, Creds{Expires: now.Add(time.Hour)}, nil, cause.JWT, cause.ClockSkew, "this machine's does not"},
		"nearly expired":             {nats.ErrAuthExpired, Creds{Expires: now.Add(10 * time.Second)}, nil, cause.JWT, cause.UserExpired, "have expired"},
		"not yet":                    {nats.ErrAuthorization, Creds{NotBefore: now.Add(time.Hour)}, nil, cause.JWT, cause.UserNotYetValid, "valid from 20"},
		"expired by Date":            {nats.ErrAuthorization, Creds{Expires: now.Add(time.Hour)}, ahead, cause.JWT, cause.ClockSkew, "clock is about 2h0m0s behind"},
		"not yet, by Date it is":     {nats.ErrAuthorization, Creds{NotBefore: now.Add(time.Hour)}, ahead, cause.JWT, cause.ClockSkew, "clock is about 2h0m0s behind that of the other end; credentials of cluster prod are valid from 20"},
		"expired, by Date it is not": {nats.ErrAuthorization, Creds{Expires: now.Add(-time.Hour)}, behind, cause.JWT, cause.ClockSkew, "clock is about 2h0m0s ahead of that of the API server; credentials of cluster prod expired on"},
		"expired by both":            {nats.ErrAuthorization, Creds{Expires: now.Add(-3 * time.Hour)}, behind, cause.JWT, cause.UserExpired, "clock is about 2h0m0s ahead of that of the API server; credentials of cluster prod expired on"},
		"not yet by both":            {nats.ErrAuthorization, Creds{NotBefore: now.Add(3 * time.Hour)}, ahead, cause.JWT, cause.UserNotYetValid, "clock is about 2h0m0s behind that of the other end; credentials of cluster prod are valid from"},
		"account, and skew":          {nats.ErrAccountAuthExpired, Creds{}, behind, cause.JWT, cause.AccountExpired, "clock is about 2h0m0s ahead of that of the API server; "},
		"refused, and skew":          {nats.ErrAuthorization, Creds{Account: "AB"}, ahead, cause.JWT, cause.WrongAccount, "clock is about 2h0m0s behind that of the other end; the broker refuses"},
		"skew that is no why":        {nats.ErrAuthorization, Creds{Expires: now.Add(3 * time.Hour)}, ahead, cause.JWT, cause.WrongAccount, "of another broker"},
		"skew within bounds":         {nats.ErrAuthorization, Creds{Expires: now.Add(time.Second)}, little, cause.JWT, cause.WrongAccount, "of another broker"},
		"another role":               {fmt.Errorf("%w: up.x", nats.ErrPermissionViolation), Creds{}, nil, cause.Permission, cause.PermissionMissing, "another role's key?): "},
		"silence":                    {nats.ErrStaleConnection, Creds{}, nil, cause.NATS, cause.WentSilent, "answered for 15 s"},
		"no answer":                  {errUnanswered, Creds{}, nil, cause.JWT, cause.ConnectionLost, "without accepting or refusing"},
		"closed":                     {errClosed, Creds{}, nil, cause.NATS, cause.ConnectionLost, "closed by the broker"},
		"closed while adopted":       {fmt.Errorf("subscribe: %w", nats.ErrConnectionClosed), Creds{}, nil, cause.NATS, cause.ConnectionLost, "closed by the broker"},
		"judged already":             {&cause.Failure{Hop: cause.TCP, Cause: cause.Refused}, Creds{}, nil, cause.TCP, cause.Refused, ""},
		"anything else":              {errors.New("some\x1bthing"), Creds{}, nil, cause.NATS, cause.Unknown, "some?thing"},
	} {
		c := test.creds
		if c.Cluster = "prod"; c.revoked == nil {
			c.revoked = new(atomic.Bool)
		}
		f := c.judge(test.err, "connect", test.clock)
		if f.Hop != test.hop || f.Cause != test.want || !strings.Contains(f.Got, test.says) {
			t.Errorf("%s: got %s, want %s at %s with %q", name, f.Full(), test.want, test.hop, test.says)
		}
	}
}

func isSet() *atomic.Bool {
	b := new(atomic.Bool)
	b.Store(true)
	return b
}

// TestOneEventForEachFailure: with all fields, once a minute, while each is counted.
func TestOneEventForEachFailure(t *testing.T) {
	var log strings.Builder
	counted := 0
	s := newState(&Config{
		Servers: []string{"tls://a", "tls://b"}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		OnFailure: func(*cause.Failure) { counted++ },
	}, newMetrics(prometheus.NewRegistry()))
	refused := failure{"tls://a:4222", &cause.Failure{Hop: cause.TCP, Cause: cause.Refused, Tried: "connect to a:4222", Got: "connection refused"}}
	silent := failure{"tls://b:4222", &cause.Failure{Hop: cause.NATS, Cause: cause.WentSilent, Got: "nothing", Do: "wait"}}
	for range 3 {
		s.failed([]failure{refused, silent}, time.Time{})
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || counted != 6 {
		t.Fatalf("%d lines, counted %d:\n%s", len(lines), counted, &log)
	}
	for i, wants := range [][]string{
		{`server=tls://a:4222 hop=tcp cause=connection-refused tried="connect to a:4222" got="connection refused" likely="`, "troubleshooting.md#connection-refused"},
		{"server=tls://b:4222 hop=nats cause=went-silent", "do=wait"},
	} {
		for _, want := range wants {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%s\nwant %s", lines[i], want)
			}
		}
	}
	_, err := s.check(t.Context())
	for _, want := range []string{"tls://a:4222: tcp: connection refused (connect to a:4222): connection refused [connection-refused] Check the port", "tls://b:4222: nats: ", "[went-silent] wait"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("readiness: %v\nwant %s", err, want)
		}
	}
	if why, since := s.outage(); why != silent.Failure || since.IsZero() {
		t.Errorf("outage: %v since %v", why, since)
	}
	s.up("tls://a:4222", &Creds{})
	if why, since := s.outage(); why != silent.Failure || since.IsZero() || time.Since(since) > time.Minute {
		t.Errorf("outage after it: %v since %v", why, since)
	}
}
