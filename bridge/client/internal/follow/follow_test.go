package follow

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answers are those to one connection after the other: text, or a status and text.
type answers []string

// RoundTrip implements [http.RoundTripper].
func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	text := (*a)[0]
	*a = (*a)[1:]
	res := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/x"}}, Request: r}
	switch text {
	case "broken":
		return nil, io.ErrUnexpectedEOF
	case "busy":
		res.StatusCode = http.StatusTooManyRequests
	case "refused":
		res.StatusCode = http.StatusForbidden
	case "page":
		res.Header.Set("Content-Type", "text/html")
	}
	res.Body = io.NopCloser(strings.NewReader(text))
	return res, nil
}

var errBusy, errRefused = errors.New("busy"), errors.New("refused")

func follower(a *answers) *Follower {
	return &Follower{
		Bridge: &exchange.Bridge{
			Base: &url.URL{Scheme: "http", Host: "bridge"}, HTTP: &http.Client{Transport: a},
			Authorize: func(*http.Request) error { return nil },
			Refused: func(_ *exchange.Request, res *http.Response) error {
				_ = res.Body.Close()
				if res.StatusCode == http.StatusForbidden {
					return errRefused
				}
				return errBusy
			},
			Limits: exchange.Limits{Attempts: 3, Wait: time.Second, MaxWait: time.Minute},
		},
		Silence: time.Minute,
		Judge: func(err error) (bool, time.Duration) {
			if errors.Is(err, errBusy) {
				return false, 40 * time.Second
			}
			return errors.Is(err, errRefused), 0
		},
	}
}

// lines is a stream that ends with line "end"; a line "none" is at the end of requests.
type lines struct {
	got   []string
	at    []time.Duration // of each connection
	began time.Time
}

func (l *lines) Next() *exchange.Request {
	if slices.Contains(l.got, "none") {
		return nil
	}
	l.at = append(l.at, time.Since(l.began))
	r := exchange.Get("x")
	r.Accept = "text/x"
	return r
}

func (l *lines) Line(_ *exchange.Request, text []byte) (bool, error) {
	l.got = append(l.got, string(text))
	return string(text) == "end", nil
}

func (l *lines) Pause() time.Duration {
	if slices.Contains(l.got, "later") {
		return time.Hour
	}
	return 0
}

// TestRead: which connections are made, and after which pauses at least.
func TestRead(t *testing.T) {
	const s = time.Second
	for name, tt := range map[string]struct {
		answers answers
		got     string
		pauses  []time.Duration // at least; at most twice as long
		err     string
	}{
		"one":                     {answers{"a\nend\nb\n"}, "a end", nil, ""},
		"cut off":                 {answers{"a\nb", "b\nend\n"}, "a b end", []time.Duration{s / 2}, ""},
		"no more to ask for":      {answers{"a\nnone\n"}, "a none", []time.Duration{}, ""},
		"nothing from the first":  {answers{"broken", "", "broken", "end\n"}, "", []time.Duration{s / 2, s}, "unexpected EOF"},
		"nothing later":           {answers{"a\n", "broken", "", "broken", "broken", "end\n"}, "a end", []time.Duration{s / 2, s, 2 * s, 4 * s, 8 * s}, ""},
		"refused":                 {answers{"a\n", "refused"}, "a", []time.Duration{s / 2}, "refused"},
		"not from a bridge":       {answers{"page"}, "", nil, "is it from a bridge?"},
		"busy":                    {answers{"busy", "end\n"}, "end", []time.Duration{40 * s}, ""},
		"a longer pause than may": {answers{"later\n", "end\n"}, "later end", []time.Duration{60 * s}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &lines{began: time.Now()}
				err := follower(&tt.answers).Read(t.Context(), l)
				if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) || strings.Join(l.got, " ") != tt.got {
					t.Errorf("got %q, %v; want %q, %q", l.got, err, tt.got, tt.err)
				}
				if len(l.at) != len(tt.pauses)+1 {
					t.Fatalf("%d connections, want %d", len(l.at), len(tt.pauses)+1)
				}
				for i, least := range tt.pauses {
					if d := l.at[i+1] - l.at[i]; d < least || d > 2*least {
						t.Errorf("pause %d: %v, want %v to %v", i+1, d, least, 2*least)
					}
				}
			})
		})
	}
}
