package broker

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHandshakeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newHandshakeLimit()
		start := time.Now()
		let := 0
		for range 2 * handshakesPerSecond {
			if err := l.wait(); err != nil {
				t.Fatal(err)
			}
			let++
		}
		perSecond := float64(let) / time.Since(start).Seconds()
		if perSecond < handshakesPerSecond || perSecond > 1.1*handshakesPerSecond {
			t.Errorf("%.0f handshakes a second one after the other, want about %d", perSecond, handshakesPerSecond)
		}

		// Many connect at once: a connection that would wait too long is refused.
		const crowd = 5 * handshakesPerSecond
		outcome := make(chan error, crowd)
		for range crowd {
			go func() { outcome <- l.wait() }()
		}
		refused := 0
		for range crowd {
			if err := <-outcome; errors.Is(err, errTooManyHandshakes) {
				refused++
			}
		}
		want := crowd - int(maxHandshakeWait.Seconds()*handshakesPerSecond)
		if refused < want-handshakesPerSecond/5 || refused > want {
			t.Errorf("%d of %d refused, want about %d", refused, crowd, want)
		}
	})
}

func TestLogLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newServerLog(slog.New(slog.NewTextHandler(&out, nil)))
		for range 10 * maxLinesPerSecond {
			l.Errorf("refused %s", "something")
		}
		if n := strings.Count(out.String(), "refused something"); n != maxLinesPerSecond {
			t.Errorf("%d lines in one second, want %d", n, maxLinesPerSecond)
		}
		time.Sleep(time.Second)
		l.Debugf("not enabled")
		l.Noticef("next")
		if !strings.Contains(out.String(), "lines_left_out=900") || !strings.Contains(out.String(), "msg=next") {
			t.Errorf("the next second's lines: %s", out.String()[strings.LastIndex(out.String(), "refused"):])
		}
		l.Tracef("CONNECT %s", "secret")
		if strings.Contains(out.String(), "secret") {
			t.Error("traces are logged")
		}
	})
}
