package webhook

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
)

// TestTheLastAnswerCounts: an event that is accepted soon after the bridge was told to stop is
// not sent again by the next one; one whose receiver takes longer is.
func TestTheLastAnswerCounts(t *testing.T) {
	b := storetest.Start(t, 1)
	r := newReceiver(t)
	path := write(t, "webhooks:\n"+hook("one", r, ""))
	quick, slow, stopped := make(chan struct{}), make(chan struct{}), make(chan struct{})
	letGo := sync.OnceFunc(func() { close(stopped) })
	defer letGo() // the receiver waits for its handlers
	asked := func(c chan struct{}) {
		select {
		case <-c:
		case <-time.After(time.Minute):
			t.Fatal("nothing was sent within a minute")
		}
	}
	first, second := sync.OnceFunc(func() { close(quick) }), sync.OnceFunc(func() { close(slow) })
	r.answer = func(_ int, e *api.Event) (int, http.Header) {
		switch e.Detail {
		case "0":
			first()
			time.Sleep(200 * time.Millisecond) // it works so long
		case "2":
			second()
			select { // nobody sees what was accepted meanwhile
			case <-stopped:
			case <-time.After(time.Minute):
			}
		}
		return http.StatusNoContent, nil
	}
	one := start(t, b, path)
	one.note(t, 0, 1)
	asked(quick)
	one.stop()
	two := start(t, b, path)
	two.note(t, 1, 2)
	r.await(2)
	two.saved(t, "one")
	two.note(t, 2, 3)
	asked(slow)
	two.stop()
	letGo()
	third := start(t, b, path)
	third.note(t, 3, 4)
	r.await(5)
	if got := r.details(); !slices.Equal(got, []string{"0", "1", "2", "2", "3"}) {
		t.Errorf("got %q", got)
	}
}
