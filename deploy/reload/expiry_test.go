package reload

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/test/harness/testca"
)

func TestExpiryIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		dir := t.TempDir()
		cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		issue(t, testca.New(t, "one"), "first", cert, key) // for 1000 hours, 41 days
		pair, err := LoadKeyPair(cert, key, slog.New(slog.NewTextHandler(&logged, nil)))
		if err != nil {
			t.Fatal(err)
		}
		told := func(why string, soon, expired int) {
			t.Helper()
			pair.Certificate()
			if a, b := strings.Count(logged.String(), "expires soon"), strings.Count(logged.String(), "has expired"); a != soon || b != expired {
				t.Errorf("%s: told %d times that it expires and %d times that it has; want %d and %d", why, a, b, soon, expired)
			}
		}
		told("while it is new", 0, 0)
		time.Sleep(13 * 24 * time.Hour)
		told("a month ahead", 1, 0)
		told("at once again", 1, 0)
		time.Sleep(24 * time.Hour)
		told("a day later", 2, 0)
		time.Sleep(30 * 24 * time.Hour)
		told("afterwards", 2, 1)

		if _, err := LoadKeyPair(cert, key, slog.New(slog.NewTextHandler(&logged, nil))); err != nil {
			t.Fatal(err)
		}
		told("at a start", 2, 2)
		issue(t, testca.New(t, "one"), "second", cert, key)
		for range 2 { // one poll sees it and another applies it
			time.Sleep(PollInterval)
			told("when renewed", 2, 2)
		}
	})
}
