package natslink

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.b.Bytes(), []byte(text))
}

// sameName starts n bridges of one name, which log to log.
func sameName(t *testing.T, url string, log *lines, n int) []*Bridge {
	t.Helper()
	var bridges []*Bridge
	for range n {
		b, err := NewBridge(dial(t, url), BridgeConfig{
			ID: "b1", Logger: slog.New(slog.NewTextHandler(log, nil)),
			// Short, so that streams without an answer end soon.
			Stream: stream.Config{PeerTimeout: 2 * time.Second, PingInterval: 250 * time.Millisecond},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		if err := b.nc.Flush(); err != nil {
			t.Fatal(err)
		}
		bridges = append(bridges, b)
	}
	return bridges
}

// TestTwoBridgesOfOneName: names are random and cannot be configured, so this
// takes a running process that was cloned. The two get each other's frames and
// cannot work; but no request gets the answer to another or is executed twice,
// and the log says what is wrong.
func TestTwoBridgesOfOneName(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	var work workload
	log := &lines{}
	startAgent(t, srv.ClientURL(), func(s *stream.Stream) {
		if b, err := io.ReadAll(s); err == nil {
			work.count(string(b))
			_ = s.WriteFinal(b)
		}
	})
	bridges := sameName(t, srv.ClientURL(), log, 2)
	const each = 50
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	outcomes := make(chan subjects.Code, 2*each)
	for i, b := range bridges {
		for n := range each {
			wg.Go(func() {
				body := fmt.Sprintf("request %d of %d", n, i)
				s, err := b.Open(ctx, "prod", "a1", []byte(body), true)
				if err != nil {
					outcomes <- subjects.CodeOf(err)
					return
				}
				defer s.Close()
				got, err := io.ReadAll(s)
				if err == nil && string(got) != body {
					t.Errorf("%s: got the answer %q", body, got)
				}
				outcomes <- subjects.CodeOf(err)
			})
		}
	}
	wg.Wait()
	close(outcomes)
	causes := map[subjects.Code]int{}
	for c := range outcomes {
		causes[c]++
	}
	t.Logf("%d of %d executed; outcomes %v", work.check(t), 2*each, causes)

	// As long as both have open streams, the younger hears of the other.
	for _, b := range bridges {
		s, err := b.Open(t.Context(), "prod", "a1", []byte("has no end"), false)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	eventually.True(t, "the log names the mistake", func() bool { return log.has("does another process use the same id?") })
}
