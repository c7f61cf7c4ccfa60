package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

// Bounds of a review.
const (
	// reviewTimeout bounds a review with all its attempts. A decision about a running
	// request has ten seconds.
	reviewTimeout = 8 * time.Second
	// attemptTimeout leaves time for another attempt.
	attemptTimeout = 3 * time.Second
	maxAttempts    = 4
	firstPause     = 100 * time.Millisecond // doubled after each attempt
	// maxReviews bounds the reviews that run at once, for any number of callers: those
	// for callers that the service has accepted, and as many for others, who may be anybody.
	maxReviews = 64
	// maxWaiting bounds those that wait for their turn. A review goes on when the request
	// that needs it ends, so that connections are no bound.
	maxWaiting = 1024
	// maxAnswer bounds an answer in bytes: a user with thousands of groups.
	maxAnswer = 1 << 20
	// logEvery bounds the lines of a service that is down.
	logEvery = 10 * time.Second
)

// service is one that reviews. It is safe for concurrent use.
type service struct {
	kind  string // of its reviews, "TokenReview"
	name  string // "the token review service"
	file  *reload.File[*endpoint]
	known gate // of reviews for callers that were accepted before
	new   gate // of others
	log   *slog.Logger
	lines *rate.Limiter
}

// gate lets reviews through, some at a time.
type gate struct{ running, waiting chan struct{} }

func newGate() gate { return gate{make(chan struct{}, maxReviews), make(chan struct{}, maxWaiting)} }

// enter waits for a turn, and reports whether there is one before ctx ends. leave must
// be called then.
func (g gate) enter(ctx context.Context) bool {
	select {
	case g.running <- struct{}{}:
		return true
	default:
	}
	select {
	case g.waiting <- struct{}{}:
		defer func() { <-g.waiting }()
	default:
		return false
	}
	select {
	case g.running <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g gate) leave() { <-g.running }

func openService(kind, name, kubeconfig string, proxies *proxy.Proxies, log *slog.Logger) (*service, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	file, err := reload.Open("kubeconfig of "+name, kubeconfig, log, func(content []byte) (*endpoint, error) {
		return parseKubeconfig(content, kubeconfig, proxies, log)
	})
	if err != nil {
		return nil, err
	}
	return &service{kind: kind, name: name, file: file, log: log, known: newGate(), new: newGate(), lines: rate.NewLimiter(rate.Every(logEvery), 1)}, nil
}

// files are the kubeconfig, under its key in the configuration, and what it names.
func (s *service) files(key string) []reload.Followed {
	kubeconfig := s.file.Followed(key)
	status := kubeconfig.Status
	kubeconfig.Status = func() reload.Status {
		now := status()
		now.Certificates = s.file.Peek().given
		return now
	}
	return append([]reload.Followed{kubeconfig}, s.file.Peek().files(key)...)
}

// close closes idle connections.
func (s *service) close() { s.file.Get().close() }

// ask posts a review and reads the answer into out; g is a gate of the service. Its error
// is an [answer.Failure] of answer.ReviewUnreachable. The log does not show secret, which
// is a part of the review; "": it has none.
func (s *service) ask(ctx context.Context, g gate, secret string, in, out any) (err error) {
	asks := span.In(ctx).Call("POST " + s.kind)
	defer func() {
		if err != nil {
			asks.FailAs(answer.ReviewUnreachable.Code)
		}
		asks.End()
	}()
	body, err := json.Marshal(in)
	if err != nil {
		return s.unanswered(errors.New("cannot be asked"), err)
	}
	ctx, cancel := context.WithTimeout(asks.With(ctx), reviewTimeout)
	defer cancel()
	if !g.enter(ctx) {
		return s.unanswered(errBusy, errBusy)
	}
	defer g.leave()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		why, again, err := s.attempt(ctx, body, out)
		if err == nil {
			return nil
		}
		if !again || attempt == maxAttempts || !sleep.For(ctx, pause) {
			return s.unanswered(why, redact.ErrorWithout(err, secret))
		}
		asks.Event("attempt failed")
		pause *= 2
	}
}

// attempt asks once. why is err for the eyes of callers, without addresses.
func (s *service) attempt(ctx context.Context, body []byte, out any) (why error, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	e := s.file.Get()
	client, err := e.connect()
	if err != nil {
		return errors.New("cannot be asked"), false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("cannot be asked"), false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	asks := span.In(ctx)
	asks.Request(req.Method, req.URL)
	asks.Inject(req.Header)
	res, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("does not answer in time"), true, err
		}
		return unreached(err), true, err
	}
	asks.Answered(res.StatusCode)
	defer res.Body.Close()
	content, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return errors.New("broke off its answer"), true, err
	case res.StatusCode < 200 || res.StatusCode > 299:
		why := fmt.Errorf("answers with status %d", res.StatusCode)
		return why, retryable(res), why
	case len(content) > maxAnswer:
		why := fmt.Errorf("answers with more than %d bytes", maxAnswer)
		return why, false, why
	}
	if err := json.Unmarshal(content, out); err != nil {
		return errNotReview, false, err
	}
	return nil, false, nil
}

// unreached says that the service cannot be reached, for the eyes of callers.
func unreached(err error) error {
	if f := cause.Of(err); f != nil && f.Hop == cause.Proxy {
		return fmt.Errorf("cannot be reached through this bridge's forward proxy: %s", f.Cause.Info().Title)
	}
	return errors.New("cannot be reached")
}

var errBusy = errors.New("is asked too much at once")

var errNotReview = errors.New("answers with something other than a review")

// retryable is the rule of an API server for its webhooks.
func retryable(res *http.Response) bool {
	switch res.StatusCode {
	case http.StatusInternalServerError, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return true
	}
	return res.Header.Get("Retry-After") != ""
}

// unanswered makes the answer where the service gives none, and logs the cause.
func (s *service) unanswered(why, err error) *answer.Failure {
	if s.lines.Allow() {
		s.log.Warn("review failed; requests that need it are refused", "service", s.name, "error", err)
	}
	return answer.Failf(answer.ReviewUnreachable, "%s %w", s.name, why)
}
