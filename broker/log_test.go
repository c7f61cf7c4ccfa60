package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
