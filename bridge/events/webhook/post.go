package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fairlead-io/fairlead/bridge/events"
)

const (
	// attemptTimeout bounds one request. The specification leaves receivers 15 to 30 s and
	// advises them to answer before they work.
	attemptTimeout = 10 * time.Second
	// maxAnswer is how much of a response is read, so that its connection can be used again.
	maxAnswer = 64 << 10
	// maxRetryAfter bounds how long a receiver can make the bridge wait.
	maxRetryAfter = time.Hour
)

// message is the body of a request.
type message struct {
	Type      events.Type   `json:"type"`
	Timestamp time.Time     `json:"timestamp"`
	Data      *events.Event `json:"data"`
}

// refusal is why an event was not accepted.
type refusal struct {
	error
	after time.Duration // when to try again at the earliest
	unfit bool          // it is refused for its content
}

// post sends an event once; nil: it was accepted.
func (t *target) post(ctx context.Context, e *events.Event) *refusal {
	body, err := json.Marshal(message{e.Type, e.Time, e})
	if err != nil { // texts and a time; a forged one may have a year that JSON has not
		return &refusal{error: err, unfit: true}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil { // it was checked
		return &refusal{error: errors.New("its URL cannot be used")}
	}
	at := time.Now()
	req.Header["Content-Type"] = []string{"application/json"}
	req.Header["User-Agent"] = []string{"fairlead-bridge"}
	req.Header["Webhook-Id"] = []string{e.ID}
	req.Header["Webhook-Timestamp"] = []string{strconv.FormatInt(at.Unix(), 10)}
	req.Header["Webhook-Signature"] = []string{sign(t.secrets.Get(), e.ID, at, body)}
	res, err := t.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the URL
		}
		return &refusal{error: err}
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // whatever it says: the status counts
	return judge(res, at)
}

// judge says what a response means; nil: the event was accepted.
func judge(res *http.Response, now time.Time) *refusal {
	r := &refusal{error: fmt.Errorf("it answers %d", res.StatusCode)}
	switch {
	case res.StatusCode >= 200 && res.StatusCode <= 299:
		return nil
	case res.StatusCode >= 300 && res.StatusCode <= 399:
		r.error = fmt.Errorf("it answers %d, and redirects are not followed", res.StatusCode)
	}
	switch res.StatusCode {
	case http.StatusGone: // it wants no more, which is for the operator to decide
		r.error, r.after = errors.New("it answers 410 Gone: remove the webhook"), maxRetryAfter
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		r.unfit = true
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		r.after = retryAfter(res.Header.Get("Retry-After"), now)
	}
	return r
}

// retryAfter reads the header of this name, which is a number of seconds or a date.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
