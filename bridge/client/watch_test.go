package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
)

// watchFeed serves one text after the other, each to one connection, and what it was asked.
type watchFeed struct {
	texts []string
	asked []string // clusters and from
}

func (f *watchFeed) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	f.asked = append(f.asked, q.Get("clusters")+" "+q.Get("from"))
	text := "401"
	if len(f.texts) > 0 {
		text, f.texts = f.texts[0], f.texts[1:]
	}
	res := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/x-ndjson"}}, Request: r}
	switch text {
	case "broken":
		return nil, io.ErrUnexpectedEOF
	case "silent":
		body, end := io.Pipe()
		context.AfterFunc(r.Context(), func() { _ = end.CloseWithError(context.Cause(r.Context())) })
		res.Body = body
		return res, nil
	case "login":
		res.Header.Set("Content-Type", "text/html")
	case "401", "429", "502":
		_, _ = fmt.Sscan(text, &res.StatusCode)
		res.Header.Set("Content-Type", "application/problem+json")
		text = fmt.Sprintf(`{"code":"unauthenticated","status":%s,"retryAfterSeconds":7}`, text)
	}
	res.Body = io.NopCloser(strings.NewReader(text))
	return res, nil
}

// watchLines makes a stream: "a+1" is an event of cluster a with version 1, "a=started 1" a
// state, "." a heartbeat, and anything else is written as it is.
func watchLines(of ...string) string {
	var b strings.Builder
	for _, l := range of {
		cluster, version, event := strings.Cut(l, "+")
		name, state, isState := strings.Cut(l, "=")
		switch {
		case event:
			fmt.Fprintf(&b, `{"cluster":%q,"event":{"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":%q}}}}`+"\n", cluster, version)
		case isState:
			state, version, _ = strings.Cut(state, " ")
			fmt.Fprintf(&b, `{"cluster":%q,"state":%q,"resourceVersion":%q}`+"\n", name, state, version)
		case l == ".":
			b.WriteString(`{"heartbeat":"2026-11-29T04:00:00Z"}` + "\n")
		default:
			b.WriteString(l)
		}
	}
	return b.String()
}

// told is what a loop over a watch gets, each line as [watchLines] has it.
func told(ctx context.Context, c *Client, o WatchOptions) (all []string, last error) {
	for l, err := range c.Watch(ctx, o) {
		switch {
		case err != nil:
			last = err
		case l.Event != nil:
			_, version, _ := strings.Cut(string(l.Event.Object), `resourceVersion":"`)
			all = append(all, l.Cluster+"+"+strings.Trim(version, `"}`))
		case l.State != "":
			all = append(all, strings.TrimSpace(l.Cluster+"="+l.State+" "+l.ResourceVersion))
		case l.Summary != nil:
			all = append(all, "summary")
		}
	}
	return all, last
}

const stopping = `{"summary":{"problem":{"code":"shutting-down","status":503}}}` + "\n"

// TestWatchGoesOn: each connection asks for what the ones before have not told.
func TestWatchGoesOn(t *testing.T) {
	all := ""
	for name, tt := range map[string]struct {
		options     WatchOptions
		feed        []string
		told, asked []string
		code        string // of the error; "": none
	}{
		"events": {
			feed: []string{
				watchLines("a+5", "a+3", "a=started 6", "b=started 9", "a+7", "a+8", `{"cluster":"a","eve`), "broken", "502",
				watchLines("a=resumed 8", "b=resumed 9", "b+10", stopping), watchLines("b=waiting", ".", "b=resumed 12"),
			},
			told:  []string{"a+5", "a+3", "a=started 6", "b=started 9", "a+7", "a+8", "a=resumed 8", "b=resumed 9", "b+10", "b=waiting", "b=resumed 12"},
			asked: []string{"a,b ", "a,b a:8,b:9", "a,b a:8,b:9", "a,b a:8,b:9", "a,b a:8,b:10", "a,b a:8,b:12"},
			code:  "unauthenticated",
		},
		"a list that is cut off": {
			feed:  []string{watchLines("a+5", "b=started 2"), "broken", watchLines("a+3", "a+5", "a=started 6", "a=ended", "b=ended", `{"summary":{}}`+"\n")},
			told:  []string{"a+5", "b=started 2", "a=reset", "a+3", "a+5", "a=started 6", "a=ended", "b=ended", "summary"},
			asked: []string{"a,b ", "a,b b:2", "a,b b:2"},
		},
		"a list that the bridge begins again": {
			feed:  []string{watchLines("a=resumed 4", "a=reset", "a+9"), watchLines("a+9", "a+8", "a=started 9", "a=ended", `{"summary":{}}`+"\n")},
			told:  []string{"a=resumed 4", "a=reset", "a+9", "a=reset", "a+9", "a+8", "a=started 9", "a=ended", "summary"},
			asked: []string{"a,b a:4", "a,b "}, options: WatchOptions{From: map[string]string{"a": "4"}},
		},
		"clusters that have ended": {
			feed:  []string{watchLines("a=started 1", "a=ended"), watchLines("b=ended")},
			told:  []string{"a=started 1", "a=ended", "b=ended", "summary"},
			asked: []string{"a,b ", "b "},
		},
		"selected clusters that have ended": {
			options: WatchOptions{Selector: &all},
			feed:    []string{watchLines("a=started 1", "a=ended"), watchLines("a=ended", "b=started 3"), watchLines("a+1", "a=started 2", "a=ended")},
			told:    []string{"a=started 1", "a=ended", "b=started 3", "a+1", "a=started 2", "a=ended"},
			asked:   []string{" ", " ", " b:3", " b:3"},
			code:    "unauthenticated",
		},
		"a cluster of the default tenant": {
			options: WatchOptions{Clusters: []string{"a.default"}, From: map[string]string{"a.default": "3"}},
			feed:    []string{watchLines("a=resumed 3", "a+4"), watchLines("a=ended", `{"summary":{}}`+"\n")},
			told:    []string{"a=resumed 3", "a+4", "a=ended", "summary"},
			asked:   []string{"a.default a:3", "a.default a:4"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &watchFeed{texts: tt.feed}
			c, err := New("https://bridge.example.com", Options{Transport: f, Retry: quick})
			if err != nil {
				t.Fatal(err)
			}
			if tt.options.Path = "/api/v1/pods"; tt.options.Selector == nil && tt.options.Clusters == nil {
				tt.options.Clusters = []string{"a", "b"}
			}
			got, last := told(t.Context(), c, tt.options)
			if !slices.Equal(got, tt.told) || !slices.Equal(f.asked, tt.asked) {
				t.Errorf("told  %q\nwant  %q\nasked %q\nwant  %q", got, tt.told, f.asked, tt.asked)
			}
			if tt.code == "" && last != nil || tt.code != "" && !IsType(last, tt.code) {
				t.Errorf("ended with %v", last)
			}
		})
	}
}

// TestWatchErrors: what cannot go on is told with where another watch can.
func TestWatchErrors(t *testing.T) {
	begun := watchLines("a=started 1", "b+3")
	for name, tt := range map[string]struct {
		feed []string
		from int    // clusters that can be gone on with
		want string // in the error
	}{
		"refused":                {[]string{begun}, 1, "401"},
		"refused from the first": {nil, 0, "401"},
		"no bridge":              {[]string{begun, "login"}, 1, "text/html"},
		"unreachable":            {[]string{"broken", "broken", "broken", "broken", begun}, 0, "EOF"},
		"no lines":               {[]string{begun + "<html>\n"}, 1, "decode a line"},
		"no version":             {[]string{begun + `{"cluster":"a","event":{"type":"ADDED","object":{}}}` + "\n"}, 1, "no resource version"},
		"a line without an end":  {[]string{begun + strings.Repeat("a", exchange.MaxBody+1)}, 1, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &watchFeed{texts: tt.feed}
			c, err := New("https://bridge.example.com", Options{Transport: f, Retry: quick})
			if err != nil {
				t.Fatal(err)
			}
			_, last := told(t.Context(), c, WatchOptions{Path: "/api/v1/pods", Clusters: []string{"a", "b"}})
			if e, ok := errors.AsType[*WatchError](last); !ok || len(e.From) != tt.from || !strings.Contains(e.Error(), tt.want) {
				t.Errorf("ended with %+v", last)
			}
		})
	}
}

// TestWatchPauses: a connection that says nothing is given up, the pauses have a bound that
// a bridge may ask to be longer, and the context ends them.
func TestWatchPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &watchFeed{texts: []string{watchLines("a=started 1"), "429", "silent", "502", "502", "502", "502", "502", "502", watchLines(".", "a+2"), "silent", "silent"}}
		c, err := New("https://bridge.example.com", Options{Transport: f, Retry: Retry{Wait: time.Second, MaxWait: 10 * time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		began := time.Now()
		got, last := told(ctx, c, WatchOptions{Path: "/api/v1/pods", Clusters: []string{"a"}})
		if !slices.Equal(got, []string{"a=started 1", "a+2"}) || len(f.texts) > 1 {
			t.Errorf("told %q, %d texts are left", got, len(f.texts))
		}
		if e, ok := errors.AsType[*WatchError](last); !ok || !errors.Is(last, context.DeadlineExceeded) || e.From["a"] != "2" {
			t.Errorf("ended with %v", last)
		}
		if took := time.Since(began); took > 5*time.Minute {
			t.Errorf("ended after %s", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, err := New("https://bridge.example.com", Options{Transport: &watchFeed{texts: []string{watchLines("a=started 1", "a+2"), "silent"}}})
		if err != nil {
			t.Fatal(err)
		}
		for l := range c.Watch(t.Context(), WatchOptions{Path: "/api/v1/pods", Clusters: []string{"a"}}) {
			if l.Event != nil {
				break // a loop that is left ends the watch
			}
			time.Sleep(time.Hour) // a reader may take its time
		}
	})
}
