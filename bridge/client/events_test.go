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
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// feed serves one text after the other, each to one connection, and what it was asked.
type feed struct {
	texts []string
	asked []string
}

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked = append(f.asked, r.URL.RawQuery+" "+r.Header.Get("Last-Event-ID"))
	if len(f.texts) == 0 {
		problem(w, 401, ErrUnauthenticated)
		return
	}
	text := f.texts[0]
	f.texts = f.texts[1:]
	switch text {
	case "unavailable":
		problem(w, 503, ErrBrokerUnreachable)
	case "broken":
		broken(w)
	default:
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, text)
	}
}

func event(id string) string {
	return fmt.Sprintf("id: %s\nevent: cluster.connected\ndata: {\"id\":%q,\r\ndata: \"name\":\"prod\"}\r\n\r\n", id, id)
}

func TestEventsGoOn(t *testing.T) {
	f := &feed{texts: []string{
		"retry: 1\n\n" + event("a") + ": heart-beat\nid: b\n\n", // the position moves without an event
		"unavailable",
		"broken",
		"event: reset\nid: c\ndata: {}\n\n" + event("d") + "id: e\nevent: cluster.connected\ndata: {\"id\":\"cut", // no end
		event("e") + "event: end\ndata: {\"code\":\"shutting-down\",\"detail\":\"x\"}\n\n",
	}}
	c, _ := serve(t, f.ServeHTTP, Options{})
	var got []string
	for e, err := range c.Events(t.Context(), EventFilter{After: "oldest", Tenant: "acme", Clusters: []string{"a", "b"}, Types: []string{"cluster.*"}}) {
		switch {
		case errors.Is(err, ErrEventsLost):
			got = append(got, "lost")
		case err != nil:
			got = append(got, err.(*Error).Problem.Code)
		default:
			got = append(got, e.ID)
		}
	}
	if want := []string{"a", "lost", "d", "e", "unauthenticated"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	const query = "after=oldest&cluster=a&cluster=b&tenant=acme&type=cluster.%2A "
	// What was cut off has moved the position only if it was whole.
	if want := []string{query, query + "b", query + "b", query + "b", query + "d", query + "e"}; !slices.Equal(f.asked, want) {
		t.Errorf("asked %q, want %q", f.asked, want)
	}
}

func TestEventsEnd(t *testing.T) {
	gone := make(chan struct{})
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, event("a"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	}, Options{})
	for e, err := range c.Events(t.Context(), EventFilter{}) {
		if e.ID != "a" || err != nil {
			t.Errorf("%+v, %v", e, err)
		}
		break
	}
	<-gone // a loop that is left ends the request
	ctx, cancel := context.WithCancel(t.Context())
	var last error
	for e, err := range c.Events(ctx, EventFilter{}) {
		if last = err; e.ID == "a" {
			cancel()
		}
	}
	if <-gone; !errors.Is(last, context.Canceled) {
		t.Errorf("ended with %v", last)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c.bridge.Limits.Wait, c.bridge.Limits.MaxWait = time.Hour, time.Hour
	for _, err := range c.Events(ctx, EventFilter{}) {
		last = err
	}
	if <-gone; !errors.Is(last, context.DeadlineExceeded) {
		t.Errorf("ended with %v", last)
	}
}

func TestEventPage(t *testing.T) {
	var asked string
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RequestURI()
		_, _ = io.WriteString(w, `{"events":[{"id":"a"}],"next":"a","more":true}`)
	}, Options{})
	page, err := c.EventPage(t.Context(), EventFilter{After: "x"}, 7)
	if err != nil || !page.More || page.Next != "a" || !slices.Equal(page.Events, []api.Event{{ID: "a"}}) || asked != "/v1/events?after=x&follow=false&limit=7" {
		t.Errorf("%+v, %v, asked %s", page, err, asked)
	}
}

// TestEventsOfNobody: what is not a bridge, and a bridge that cannot be reached, are told
// instead of being tried for ever.
func TestEventsOfNobody(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"text/html": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<html>log in</html>\n")
		},
		"503":   func(w http.ResponseWriter, _ *http.Request) { problem(w, 503, ErrBrokerUnreachable) },
		"reset": func(w http.ResponseWriter, _ *http.Request) { broken(w) },
		"unexpected EOF": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
		},
		"larger than": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, strings.Repeat("data: "+strings.Repeat("x", 1<<16)+"\n", 17)+"\n")
		},
	} {
		c, _ := serve(t, h, Options{})
		var all []error
		for _, err := range c.Events(t.Context(), EventFilter{}) {
			all = append(all, err)
		}
		if len(all) != 1 || all[0] == nil || !strings.Contains(all[0].Error(), name) {
			t.Errorf("%s: %v", name, all)
		}
	}
}
