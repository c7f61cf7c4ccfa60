package link

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
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
	failure func(*cause.Failure)

	mu        sync.Mutex // guards all below
	stopping  bool       // the agent closes the connection itself
	connected string     // where to, "" if not
	ever      bool       // connected
	since     time.Time  // connected or not
	reason    string     // why not connected
	until     time.Time  // the next attempt is then, zero for soon
	file      string     // why the credentials in the file are not in use, "" if they are
	logged    map[string]time.Time
	last      *cause.Failure // the latest, also after the connection is back; nil: none
	lastSince time.Time      // since when there was no connection, before this one
}

func newState(cfg *Config, m *metrics) *state {
	servers := cfg.Servers
	b := &state{log: cfg.Logger, metrics: m, failure: cfg.OnFailure, since: time.Now(), reason: "still connecting", logged: make(map[string]time.Time)}
	if b.failure == nil {
		b.failure = func(*cause.Failure) {}
	}
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
		b.lastSince, b.since = b.since, time.Now()
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
func (b *state) down(why failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping {
		return
	}
	b.lost(why.Full())
	b.note("connection to broker lost", []failure{why})
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
func (b *state) failed(why []failure, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reason, b.until = full(why), until
	var args []slog.Attr
	if !until.IsZero() {
		args = append(args, slog.String("next_attempt", timeText(until)))
	}
	b.note("cannot connect to broker; will keep trying", why, args...)
}

// failedAndWaits is failed while the agent also waits for something else.
func (b *state) failedAndWaits(why []failure, what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reason = full(why) + " And it " + what
	b.note("cannot connect to broker; will keep trying", why, slog.String("waits", "it also "+what))
}

// full is one line about all failures, each with its server where they differ.
func full(why []failure) string {
	lines := make([]string, len(why))
	for i, f := range why {
		if lines[i] = f.Full(); f.server != "" && len(why) > 1 {
			lines[i] = f.server + ": " + lines[i]
		}
	}
	return strings.Join(lines, " ")
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// complaint notes what the broker says without ending the connection.
func (b *state) complaint(why failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.warn("broker reports an error", why)
}

// credsFile notes why the credentials in the file are not in use, nil if they are.
func (b *state) credsFile(why []failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.file = full(why)
	b.metrics.refused.Store(len(why) > 0)
	for _, f := range why {
		b.warn("new credentials file ignored; keeping the current credentials", f)
	}
}

// count counts failures that are not why there is no connection.
func (b *state) count(why []failure) {
	for _, f := range why {
		b.failure(f.Failure)
	}
}

// note counts failures, remembers the last one for bridges, and logs them. The caller
// holds mu.
func (b *state) note(message string, why []failure, args ...slog.Attr) {
	for _, f := range why {
		b.last = f.Failure
		b.failure(f.Failure)
		b.warn(message, f, args...)
	}
}

// warn logs one failure as an event, the same one at most once a minute. The caller
// holds mu.
func (b *state) warn(message string, why failure, args ...slog.Attr) {
	key := message + why.server + why.Error()
	if last, ok := b.logged[key]; ok && time.Since(last) < sameReasonEvery {
		return
	}
	if len(b.logged) >= maxReasons {
		clear(b.logged)
	}
	b.logged[key] = time.Now()
	server := why.server
	if server == "" {
		server = b.servers
	}
	attrs := append([]slog.Attr{slog.String("server", server)}, why.LogValue().Group()...)
	b.log.LogAttrs(context.Background(), slog.LevelWarn, message, append(attrs, args...)...)
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

// outage returns the last failure, and since when there was no connection because of
// it; nil if there has been none.
func (b *state) outage() (why *cause.Failure, since time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.connected == "" {
		return b.last, b.since
	}
	return b.last, b.lastSince
}
