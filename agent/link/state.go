package link

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// sameReasonEvery is how often the same reason is logged while it lasts.
	sameReasonEvery = time.Minute
	// maxReasons bounds the reasons that are remembered as logged.
	maxReasons = 16
)

// state is what is known of the connection to the broker, for logs, metrics and
// readiness. It is safe for concurrent use.
type state struct {
	log     *slog.Logger
	metrics *metrics
	servers string // all of them, as shown to people

	mu        sync.Mutex // guards all below
	stopping  bool       // the agent closes the connection itself
	connected string     // where to, "" if not
	ever      bool       // connected
	since     time.Time  // connected or not
	reason    string     // why not connected
	until     time.Time  // the next attempt is then, zero for soon
	file      string     // why the credentials in the file are not in use, "" if they are
	logged    map[string]time.Time
}

func newState(log *slog.Logger, m *metrics, servers []string) *state {
	b := &state{log: log, metrics: m, since: time.Now(), reason: "still connecting", logged: make(map[string]time.Time)}
	shown := make([]string, len(servers))
	for i, s := range servers {
		shown[i] = redact(s)
	}
	b.servers = strings.Join(shown, ", ")
	return b
}

// up notes a connection with credentials c.
func (b *state) up(server string, c *Creds) {
	b.mu.Lock()
	defer b.mu.Unlock()
	after := time.Since(b.since).Round(time.Millisecond)
	if b.connected == "" {
		b.since = time.Now()
		b.log.Info("connected to broker", "url", server, "after", after)
	}
	if b.ever {
		b.metrics.reconnects.Inc()
	}
	b.connected, b.ever, b.reason, b.until = server, true, "", time.Time{}
	clear(b.logged)
	b.metrics.connected.Store(true)
	b.metrics.expires(c)
}

// stop notes that the agent is about to close the connection itself, which is
// not a loss.
func (b *state) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopping = true
	b.lost("the agent is stopping")
}

// down notes the loss of the connection.
func (b *state) down(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping {
		return
	}
	b.lost(reason)
	b.warn("connection to broker lost", reason, "server", b.servers)
}

// lost is called with mu held.
func (b *state) lost(reason string) {
	if b.connected != "" {
		b.since = time.Now()
	}
	b.connected, b.reason = "", reason
	b.metrics.connected.Store(false)
}

// waiting notes why no connection is tried yet.
func (b *state) waiting(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reason = what
}

// failed notes that no connection could be made. until is when the next attempt
// is, if the servers ask to be left alone until then, otherwise zero.
func (b *state) failed(reason string, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reason, b.until = reason, until
	args := []any{"server", b.servers}
	if !until.IsZero() {
		args = append(args, "next_attempt", timeText(until))
	}
	b.warn("cannot connect to broker; will keep trying", reason, args...)
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// complaint notes what the broker says without ending the connection.
func (b *state) complaint(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.warn("broker reports an error", reason, "server", b.servers)
}

// credsFile notes why the credentials in the file are not in use, "" if they are.
func (b *state) credsFile(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.file = reason
	b.metrics.refused.Store(reason != "")
	if reason != "" {
		b.warn("new credentials file ignored; keeping the current credentials", reason)
	}
}

// warn logs a message, the same one at most once a minute. The caller holds mu.
func (b *state) warn(message, reason string, args ...any) {
	key := message + reason
	if last, ok := b.logged[key]; ok && time.Since(last) < sameReasonEvery {
		return
	}
	if len(b.logged) >= maxReasons {
		clear(b.logged)
	}
	b.logged[key] = time.Now()
	b.log.Warn(message, append(args, "error", reason)...)
}

// check is the readiness check.
func (b *state) check(context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := time.Since(b.since).Round(time.Second)
	file := ""
	if b.file != "" {
		file = "; the credentials file is not in use: " + b.file
	}
	if b.connected != "" {
		return fmt.Sprintf("connected to %s for %s%s", b.connected, since, file), nil
	}
	reason := b.reason
	if time.Now().Before(b.until) {
		reason += "; the next attempt is at " + timeText(b.until)
	}
	return "", fmt.Errorf("not connected to %s for %s: %s%s", b.servers, since, reason, file)
}
