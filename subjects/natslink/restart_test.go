package natslink

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// TestStreamsSurviveServerRestart: a download is exact, and no request fails or
// is executed twice, although the only broker restarts.
func TestStreamsSurviveServerRestart(t *testing.T) {
	srv := startServer(t, 0)
	port := srv.Addr().(*net.TCPAddr).Port
	var work workload
	b, _, _ := start(t, srv.ClientURL(), work.serve)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	var wg sync.WaitGroup
	halfway := make(chan struct{})
	wg.Go(func() {
		const chunks = 4000 // 125 MiB
		err := download(ctx, b, chunks, func(total int) bool {
			if total == 40<<20 {
				close(halfway)
			}
			return true
		})
		if err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		for i := range 100 {
			if err := post(ctx, b, fmt.Sprintf("post %d", i)); err != nil {
				t.Errorf("post %d: %v", i, err)
			}
		}
	})
	select {
	case <-halfway:
	case <-ctx.Done():
		t.Error("no half of the download within the test's time")
	}
	stopServer(srv)
	srv = startServer(t, port)
	defer stopServer(srv)
	wg.Wait()
	if n := work.check(t); n != 100 && !t.Failed() {
		t.Errorf("%d requests were executed, want 100", n)
	}
}
