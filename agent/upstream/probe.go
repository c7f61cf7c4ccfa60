package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

const (
	// probeEvery is how often the API server is probed, a fifth more or less, so
	// that many agents do not probe in step.
	probeEvery = 10 * time.Second
	// firstProbeAgain is the pause after a failure; it doubles with each further
	// one, up to probeEvery.
	firstProbeAgain = time.Second
	// versionEvery is how often the version is requested.
	versionEvery = 10 * time.Minute
	// sameReasonEvery is how often another reason is logged while it is not
	// reachable.
	sameReasonEvery = time.Minute
	// stuckAfter is how long the probing loop, which depends on nothing but the
	// process itself, must have stood still for /livez to report it.
	stuckAfter = 3 * time.Minute
)

// Prober probes the API server, for readiness and presence. It is safe for
// concurrent use; Run is called once.
type Prober struct {
	log      *slog.Logger
	agent    string // User-Agent
	onChange func() // must not block
	// onFailure gets each failed probe. It must not block.
	onFailure func(*cause.Failure)

	turned atomic.Int64 // when the loop last ran, Unix seconds

	mu       sync.Mutex // guards all below
	version  string     // "" until known
	platform string     // likewise
	asked    time.Time  // when the version was
	err      error      // a cause.Failure or errNotAsked: why the API server is not reachable, nil if it is
	since    time.Time  // of err's being nil or not
	told     string     // the reason logged last
	toldAt   time.Time
}

var (
	errNotAsked = errors.New("not probed yet")
)

// NewProber returns a prober that has not asked yet. userAgent is that of its
// requests; onChange is called when the API server becomes reachable or is no
// longer, and onFailure for each failed probe and each right that is missing. Neither may block.
func NewProber(userAgent string, log *slog.Logger, onChange func(), onFailure func(*cause.Failure)) *Prober {
	p := &Prober{log: log, agent: userAgent, onChange: onChange, onFailure: onFailure, err: errNotAsked, since: time.Now()}
	p.turned.Store(time.Now().Unix())
	return p
}

// Run makes the client by load, which it calls until that succeeds: what it
// takes to reach the API server, such as a file or a token, may come later than
// the agent. It then gives the client to loaded, and until ctx ends it probes, and logs
// which rights the agent lacks.
func (p *Prober) Run(ctx context.Context, load func() (*Client, error), loaded func(*Client)) {
	var up *Client
	p.repeat(ctx, nil, func() (done bool, err error) {
		if up, err = load(); err != nil {
			return false, noWay(err)
		}
		return true, nil
	})
	if up == nil {
		return
	}
	loaded(up)
	var wg sync.WaitGroup
	wg.Go(func() { p.watchRights(ctx, up) })
	p.repeat(ctx, up.denied, func() (bool, error) { return false, p.probe(ctx, up) })
	wg.Wait()
}

// repeat calls step and notes its outcome, until it is done or ctx ends: once in
// probeEvery, and sooner after a failure or when denied has a token.
func (p *Prober) repeat(ctx context.Context, denied <-chan struct{}, step func() (done bool, err error)) {
	again := firstProbeAgain
	for {
		done, err := step()
		if done || ctx.Err() != nil {
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
		if !pause(ctx, denied, wait*4/5+rand.N(wait*2/5)) {
			return
		}
	}
}

// pause waits so long, or until a second after the API server has refused the
// agent's credential. It reports false when ctx has ended.
func pause(ctx context.Context, denied <-chan struct{}, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
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

// probe probes once. Every response is a sign of life, except a refusal of the
// agent's own credential and a server's error: not every API server has /readyz
// or shows it to everyone.
func (p *Prober) probe(ctx context.Context, up *Client) error {
	a, err := up.get(ctx, p.agent, "/readyz")
	switch {
	case err != nil:
		return up.unreachable(err)
	case a.status == http.StatusUnauthorized:
		return up.failed(cause.TokenRefused, "/readyz", a.status, a.text)
	case a.status >= 500:
		return up.failed(cause.APIServerRefused, "/readyz", a.status, a.text)
	}
	if up.credentialRefused.Load() {
		// /readyz may be public.
		refused, err := up.askCredential(ctx, p.agent)
		if err != nil {
			return up.unreachable(err)
		}
		if refused {
			return up.failed(cause.TokenRefused, "/api", http.StatusUnauthorized, nil)
		}
		up.credentialRefused.Store(false)
	}
	p.mu.Lock()
	due := p.err != nil || time.Since(p.asked) >= versionEvery
	p.mu.Unlock()
	if !due {
		return nil
	}
	// The version is for information only: without it the server still works.
	if a, err = up.get(ctx, p.agent, "/version"); err != nil {
		return nil
	}
	if version, platform, ok := a.version(); ok {
		p.mu.Lock()
		p.version, p.platform, p.asked = version, platform, time.Now()
		p.mu.Unlock()
	}
	return nil
}

// note takes the outcome of a probe and reports changes.
func (p *Prober) note(err error) {
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
	switch {
	case tell:
		p.log.LogAttrs(context.Background(), slog.LevelWarn, "API server is not reachable; will keep trying", cause.Of(err).LogValue().Group()...)
	case err == nil && changed:
		p.log.Info("API server is reachable", "kubernetes", version)
	}
	if f := cause.Of(err); f != nil {
		p.onFailure(f)
	}
	if changed {
		p.onChange()
	}
}

// Outage returns why the API server is not reachable, and since when; nil while it is, and
// before the first probe.
func (p *Prober) Outage() (why *cause.Failure, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return cause.Of(p.err), p.since
}

// State returns the API server's version, "" until it is known, and whether it
// answers.
func (p *Prober) State() (version string, reachable bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version, p.err == nil
}

// Platform returns the operating system and architecture that the API server runs on, such
// as linux/amd64; "" until it is known.
func (p *Prober) Platform() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.platform
}

// Check is the readiness check.
func (p *Prober) Check(context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := time.Since(p.since).Round(time.Second)
	if p.err != nil {
		if f := cause.Of(p.err); f != nil {
			return "", fmt.Errorf("for %s: %s", since, f.Full())
		}
		return "", fmt.Errorf("for %s: %w", since, p.err)
	}
	return fmt.Sprintf("answers for %s, Kubernetes %s", since, p.version), nil
}

// Alive is the liveness check.
func (p *Prober) Alive(context.Context) (string, error) {
	still := time.Since(time.Unix(p.turned.Load(), 0)).Round(time.Second)
	if still > stuckAfter {
		return "", fmt.Errorf("no progress for %s", still)
	}
	return "", nil
}
