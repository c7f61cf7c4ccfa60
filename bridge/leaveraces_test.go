package bridge

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestWatchesThatEndAsADrainBegins: the end that a drain makes and the end that
// the API server makes meet, in every order. All watches end well.
func TestWatchesThatEndAsADrainBegins(t *testing.T) {
	t.Parallel()
	const watches = 100
	r := newRig(t, rigOptions{})
	finish := make(chan struct{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(append(encodeHead(200, -1), "event\n"...))
		_ = s.Flush()
		select {
		case <-finish:
			_ = s.WriteFinal([]byte("end\n"))
		case <-s.Context().Done():
		}
	})
	var begun, ended sync.WaitGroup
	errs := make(chan error, watches)
	for range watches {
		begun.Add(1)
		ended.Go(func() {
			errs <- readWatch(r.h2, r.request("GET", "/k8s/clusters/prod/api/v1/pods?watch=1", nil), begun.Done)
		})
	}
	begun.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // then it cuts them off
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- r.server.Drain(ctx) }()
	close(finish)
	ended.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if err := within(t, "Drain returns", 10*time.Second, drained); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

// readWatch reads a watch to its end, which must be a good one. It calls begun
// once the first event is there.
func readWatch(c *http.Client, req *http.Request, begun func()) error {
	res, err := c.Do(req)
	if err != nil {
		begun()
		return err
	}
	defer res.Body.Close()
	event := make([]byte, len("event\n"))
	_, err = io.ReadFull(res.Body, event)
	begun()
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("got status %d, %q, %w", res.StatusCode, event, err)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
