package bridge

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestDrainEndsWatchesOverWebSocket: a watch over WebSocket, as of fabric8 and
// Headlamp, gets a close frame as soon as the drain begins, so that its client
// resumes it at another bridge. An exec continues for the time that a drain gives.
func TestDrainEndsWatchesOverWebSocket(t *testing.T) {
	t.Parallel()
	event := []byte{0x81, 0x05, 'e', 'v', 'e', 'n', 't'}
	for target, ends := range map[string]bool{"x?watch=True": true, "watch/x": true, "x/exec?command=sh": false} {
		t.Run(target, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			finish := make(chan struct{})
			r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
				_, _ = s.Write(append(switchTo("websocket"), event...))
				_ = s.Flush()
				select {
				case <-s.Context().Done():
				case <-finish:
					_ = s.WriteFinal([]byte("end"))
				}
			})
			head := strings.NewReplacer("exec?command=sh", "api/v1/"+target, "SPDY/3.1", "websocket").Replace(upgradeHead)
			c, br := r.raw(head)
			if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
				t.Fatalf("got %v, %v", res, err)
			}
			got := make([]byte, len(event))
			if _, err := io.ReadFull(br, got); err != nil || !bytes.Equal(got, event) {
				t.Fatalf("got %x, %v", got, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			drained := make(chan error, 1)
			go func() { drained <- r.server.Drain(ctx) }()
			if !ends {
				r.eventually("the drain waits for it", func() bool { return strings.Contains(r.log.String(), "1 upgraded connection") })
				close(finish)
			}
			rest, err := io.ReadAll(br)
			want := []byte("end")
			if ends {
				want = []byte{0x88, 0x02, 0x03, 0xe9}
			}
			if err != nil || !bytes.Equal(rest, want) {
				t.Errorf("then came %x, %v, want %x and a good end", rest, err, want)
			}
			_ = c.Close()
			if err := within(t, "Drain returns", 5*time.Second, drained); err != nil {
				t.Errorf("Drain: %v", err)
			}
		})
	}
}
