package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// MaxBody bounds a response that is kept in memory, and a line of one, in bytes: a call's,
// which the bridge bounds to 16 MiB, is 22 MiB in base64.
const MaxBody = 64 << 20

// Bridge is one that requests are sent to. All fields but Limits must be set.
type Bridge struct {
	Base      *url.URL
	UserAgent string
	HTTP      *http.Client
	// Authorize gives a request its token.
	Authorize func(*http.Request) error
	// Refused makes an error of a response that is not one of success, and closes its body.
	Refused func(*Request, *http.Response) error
	// Limits bound what is sent again.
	Limits Limits
}

// FinalError is why a request cannot succeed however often it is made: it cannot be built,
// has no token, or goes to something else than a bridge.
type FinalError struct{ Err error }

// Error is that of Err.
func (e *FinalError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *FinalError) Unwrap() error { return e.Err }

// Into sends a request, and decodes the JSON of its response; v nil: the response is read
// only.
func (b *Bridge) Into(ctx context.Context, r *Request, v any) error {
	text, err := b.Read(ctx, r)
	if err != nil || v == nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: decode the response: %w", r, err)
	}
	return nil
}

// Read sends a request, and reads its response. One that was cut off is asked for once
// more, if it may be.
func (b *Bridge) Read(ctx context.Context, r *Request) ([]byte, error) {
	text, err := b.readOnce(ctx, r)
	if errors.Is(err, errCutOff) && r.Repeatable && Sleep(ctx, b.Limits.Pause(1)) {
		text, err = b.readOnce(ctx, r)
	}
	return text, err
}

var errCutOff = errors.New("read the response")

func (b *Bridge) readOnce(ctx context.Context, r *Request) ([]byte, error) {
	res, err := b.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", r, errCutOff, err)
	}
	if len(text) > MaxBody {
		return nil, fmt.Errorf("%s: the response is larger than %d bytes", r, MaxBody)
	}
	return text, nil
}

// Open sends a request once, and returns a response of success that is of the kind which the
// request accepts. The caller closes its body.
func (b *Bridge) Open(ctx context.Context, r *Request) (*http.Response, error) {
	res, err := b.attempt(ctx, r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return nil, b.Refused(r, res)
	}
	if err := r.answered(res); err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	return res, nil
}

// send sends a request, again where that is safe, and returns a response of success.
func (b *Bridge) send(ctx context.Context, r *Request) (*http.Response, error) {
	for n := 1; ; n++ {
		res, err := b.attempt(ctx, r)
		if err == nil && res.StatusCode < 300 {
			return res, nil
		}
		wait, ok := again(res, err, r.Repeatable)
		if err == nil {
			err = b.Refused(r, res)
		}
		if !ok || n >= b.Limits.Attempts || wait > b.Limits.MaxWait {
			return nil, err
		}
		if pause := b.Limits.Pause(n); wait == 0 {
			wait = pause
		} else {
			wait += b.Limits.Pause(1) / 2 // not all at the same moment
		}
		if !Sleep(ctx, wait) {
			return nil, err
		}
	}
}

// attempt sends a request, and returns its response, whatever it is.
func (b *Bridge) attempt(ctx context.Context, r *Request) (*http.Response, error) {
	req, err := b.request(ctx, r)
	if err == nil {
		err = b.Authorize(req)
	}
	if err != nil {
		return nil, &FinalError{err}
	}
	return b.HTTP.Do(req)
}
