package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// probeEvery is how often the API server is asked how it is, a fifth more
	// or less, so that many agents do not ask in step.
	probeEvery = 10 * time.Second
	// firstProbeAgain is when it is asked again after a failure; doubled at
	// each further one, up to probeEvery.
	firstProbeAgain = time.Second
	// probeLimit bounds one question.
	probeLimit = 5 * time.Second
	// versionEvery is how often the version is asked for.
	versionEvery = 10 * time.Minute
	// stuckAfter is the standstill of the probing loop, which needs nothing but
	// the process itself to turn, that /livez reports.
	stuckAfter = 3 * time.Minute
)

// prober asks the API server how it is: for readiness and presence.
type prober struct {
	up       *Upstream // nil before load has succeeded
	load     func() (*Upstream, error)
	loaded   chan struct{} // closed once up is set
	log      *slog.Logger
	metrics  *Metrics
	agent    string // User-Agent
	onChange func() // must not block

	turned atomic.Int64 // when the loop last turned, Unix seconds

	mu      sync.Mutex // guards all below
	version string     // "" until known
	asked   time.Time  // when the version was
	err     error      // why the API server is not reachable, nil if it is
	since   time.Time  // of err's being nil or not
	told    string     // the reason logged last
	toldAt  time.Time
}

var (
	errNotAsked     = errors.New("not asked yet")
	errUnauthorized = errors.New("API server does not accept the agent's credentials: answered 401 Unauthorized")
)

func newProber(up *Upstream, log *slog.Logger, m *Metrics, agent string, onChange func()) *prober {
	p := &prober{up: up, loaded: make(chan struct{}), log: log, metrics: m, agent: agent, onChange: onChange, err: errNotAsked, since: time.Now()}
	p.turned.Store(time.Now().Unix())
	return p
}

// run finds out where the API server is, if that is not known yet, and probes
// until ctx ends.
func (p *prober) run(ctx context.Context) {
	again := firstProbeAgain
	for {
		err := p.look(ctx)
		if ctx.Err() != nil {
			return
		}
		p.note(err)
		p.turned.Store(time.Now().Unix())
		wait := probeEvery
		if err == nil {
			again = firstProbeAgain
		} else {
			wait = again
			again = min(2*again, probeEvery)
		}
		if !p.pause(ctx, wait*4/5+rand.N(wait*2/5)) {
			return
		}
	}
}

// pause waits so long, or until a second after the API server has refused the
// agent's credential. It reports false when ctx has ended.
func (p *prober) pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var denied <-chan struct{}
	if p.up != nil {
		denied = p.up.denied
	}
	for {
		select {
		case <-timer.C:
			return true
		case <-denied:
			timer.Reset(min(wait, firstProbeAgain))
			denied = nil
		case <-ctx.Done():
			return false
		}
	}
}

// look loads what is not loaded, and probes. What it takes to reach the API
// server may come later than the agent: a file that is not mounted yet, a token.
func (p *prober) look(ctx context.Context) error {
	if p.up == nil {
		up, err := p.load()
		if err != nil {
			return err
		}
		p.up = up
		close(p.loaded)
	}
	return p.probe(ctx)
}

// probe asks once. Whatever is answered, but for a refusal of the agent's own
// credentials and a server's fault, is a sign of life: not every API server has
// /readyz or shows it to everybody.
func (p *prober) probe(ctx context.Context) error {
	status, text, err := p.get(ctx, "/readyz")
	switch {
	case err != nil:
		return err
	case status == http.StatusUnauthorized:
		return errUnauthorized
	case status >= 500:
		return fmt.Errorf("API server is not ready: answered %d: %.200s", status, text)
	}
	if p.up.credentialRefused.Load() {
		// /readyz may be open to everybody; this path is not.
		if status, _, err = p.get(ctx, "/api"); err != nil {
			return err
		}
		if status == http.StatusUnauthorized {
			return errUnauthorized
		}
		p.up.credentialRefused.Store(false)
	}
	p.mu.Lock()
	due := p.err != nil || time.Since(p.asked) >= versionEvery
	p.mu.Unlock()
	if !due {
		return nil
	}
	// The version is for information only: without it the server still works.
	status, text, err = p.get(ctx, "/version")
	var v struct{ GitVersion string }
	if err == nil && status == http.StatusOK && json.Unmarshal(text, &v) == nil {
		p.mu.Lock()
		p.version, p.asked = v.GitVersion, time.Now()
		p.mu.Unlock()
	}
	return nil
}

func (p *prober) get(ctx context.Context, path string) (status int, text []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeLimit, fmt.Errorf("API server gave no answer to %s within %s", path, probeLimit))
	defer cancel()
	target, err := p.up.target(path)
	if err != nil {
		return 0, nil, err
	}
	req := (&http.Request{
		Method: http.MethodGet, URL: target, Host: p.up.base.Host,
		Header: http.Header{"User-Agent": {p.agent}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	resp, err := p.up.roundTrip(req, false)
	if err != nil {
		if ctx.Err() != nil {
			return 0, nil, context.Cause(ctx)
		}
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, 16<<10)) // a version is 300 bytes
	if err != nil {
		return 0, nil, fmt.Errorf("read answer to %s: %w", path, err)
	}
	return resp.StatusCode, text, nil
}

// note takes the outcome of a probe and tells of changes.
func (p *prober) note(err error) {
	p.mu.Lock()
	was := p.err
	p.err = err
	changed := (was == nil) != (err == nil) || was == errNotAsked
	if changed {
		p.since = time.Now()
	}
	version := p.version
	tell := err != nil && (changed || err.Error() != p.told && time.Since(p.toldAt) >= sameReasonEvery)
	if tell {
		p.told, p.toldAt = err.Error(), time.Now()
	}
	p.mu.Unlock()
	p.metrics.reachable.Store(err == nil)
	switch {
	case tell:
		p.log.Warn("API server does not answer, will go on asking", "error", err)
	case err == nil && changed:
		p.log.Info("API server answers", "kubernetes", version)
	}
	if changed {
		p.onChange()
	}
}

// state returns what presence says of the API server.
func (p *prober) state() (version string, reachable bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version, p.err == nil
}

// check is the readiness check.
func (p *prober) check(context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := time.Since(p.since).Round(time.Second)
	if p.err != nil {
		return "", fmt.Errorf("for %s: %w", since, p.err)
	}
	return fmt.Sprintf("answers for %s, Kubernetes %s", since, p.version), nil
}

// alive is the liveness check.
func (p *prober) alive(context.Context) (string, error) {
	still := time.Since(time.Unix(p.turned.Load(), 0)).Round(time.Second)
	if still > stuckAfter {
		return "", fmt.Errorf("no progress for %s", still)
	}
	return "", nil
}
