package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/client/webhook"
	"github.com/fairlead-io/fairlead/test/harness"
)

// hook is the receiver of a webhook.
type hook struct {
	sp     *space
	file   string // for --webhooks
	secret string

	mu       sync.Mutex // guards the rest
	away     bool       // it accepts nothing
	accepted []string   // the events, by number and type
	refused  int        // requests while it was away
}

func newHook(sp *space, dir string) *hook {
	sp.t.Helper()
	h := &hook{sp: sp, file: filepath.Join(dir, "webhooks.yaml"), secret: "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"}
	s := httptest.NewServer(h)
	sp.t.Cleanup(s.Close)
	config := fmt.Sprintf("webhooks:\n- {name: chat, url: %q, allowHTTP: true, secretFiles: [chat.secret]}\n", s.URL)
	for path, text := range map[string]string{h.file: config, filepath.Join(dir, "chat.secret"): h.secret + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			sp.t.Fatal(err)
		}
	}
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the bridge stops
	}
	e, err := webhook.Parse(h.secret, r.Header, body)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil:
		h.sp.t.Errorf("webhook: %v: %s", err, body)
		w.WriteHeader(http.StatusBadRequest)
	case h.away:
		h.refused++
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		h.accepted = append(h.accepted, named(e))
		w.WriteHeader(http.StatusNoContent)
	}
}

// named is an event by its number in the log, which a move of the log keeps, and its type.
func named(e *api.Event) string {
	_, number, _ := strings.Cut(e.ID, "-")
	return number + " " + string(e.Type)
}

// goes lets the receiver be away, or come back.
func (h *hook) goes(away bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = away
}

// has are the events that were accepted, and how many requests were not.
func (h *hook) has() (accepted []string, refused int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.accepted), h.refused
}

// eventually waits until enough events were accepted, and requests refused.
func (h *hook) eventually(what string, accepted, refused int) {
	h.sp.t.Helper()
	h.sp.until(what, func(context.Context) error {
		if a, r := h.has(); len(a) < accepted || r < refused {
			return fmt.Errorf("accepted %q, and %d refused", a, r)
		}
		return nil
	})
}

// hasAll expects that the receiver gets each event of the log, from the first one that it
// has accepted, once and in order.
func (h *hook) hasAll(s *harness.System) {
	t := h.sp.t
	t.Helper()
	var got, want []string
	check := func(ctx context.Context) error {
		page, err := h.sp.goClient(s, s.Token).EventPage(ctx, client.EventFilter{After: "oldest"}, 1000)
		if err != nil {
			return err
		}
		want = nil
		for _, e := range page.Events {
			want = append(want, named(&e))
		}
		if got, _ = h.has(); len(got) == 0 || len(want) == 0 || got[len(got)-1] != want[len(want)-1] {
			return fmt.Errorf("accepted %q of %q", got, want)
		}
		return nil
	}
	h.sp.until("the webhook to have the last event", check)
	if first := slices.Index(want, got[0]); first < 0 || !slices.Equal(got, want[first:]) {
		t.Errorf("the webhook got\n%s\nof\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
