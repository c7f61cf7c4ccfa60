package bridge

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// A session goes on beside the bulk of another caller that takes all bytes a second of
// the cluster: 10 downloads, of which each frame waits its turn.
func TestSessionBesideBulk(t *testing.T) {
	const rate = 4 << 20
	r := limitedRig(t, limit.Config{Cluster: limit.Limits{BytesPerSecond: rate}})
	r.agent("acme", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if head.Header.Get("Upgrade") != "" {
			_, _ = s.Write(switchTo("SPDY/3.1"))
			_, _ = io.Copy(s, s)
			return
		}
		_, _ = s.Write(encodeHead(200, -1))
		for chunk := make([]byte, 64<<10); s.Context().Err() == nil; {
			_, _ = s.Write(chunk)
		}
	})
	var bulk atomic.Int64
	var all sync.WaitGroup
	var open []io.Closer
	start := time.Now()
	for range 10 {
		req := r.request("GET", "/k8s/clusters/prod.acme/bulk", nil)
		req.Header.Set("Authorization", "Bearer "+r.acme)
		res, err := r.h1.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, res.Body)
		all.Go(func() {
			for b := make([]byte, 32<<10); ; {
				n, err := res.Body.Read(b)
				bulk.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
	}
	r.eventually("the bulk has used up the burst", func() bool { return bulk.Load() > rate })

	c, br := r.raw(strings.Replace(upgradeHead, "/clusters/prod/", "/clusters/prod.acme/", 1))
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v, want a 101", res, err)
	}
	var echoes []time.Duration
	key := strings.Repeat("x", 100)
	for range 30 {
		sent := time.Now()
		if _, err := io.WriteString(c, key); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(br, make([]byte, len(key))); err != nil {
			t.Fatal(err)
		}
		echoes = append(echoes, time.Since(sent))
	}
	took := time.Since(start)
	for _, body := range open {
		_ = body.Close()
	}
	all.Wait()
	slices.Sort(echoes)
	median := echoes[len(echoes)/2]
	t.Logf("%.1f MiB/s of bulk, an echo took %v, at worst %v", float64(bulk.Load())/took.Seconds()/(1<<20), median, echoes[len(echoes)-1])
	if most := float64(rate)*took.Seconds() + rate/4; float64(bulk.Load()) > most+(1<<20) { // what was on its way when the time was taken
		t.Errorf("%d bytes in %v, want at most %.0f", bulk.Load(), took, most)
	}
	// In turn with all the frames that wait it would take 310 ms: 10 times 64 KiB of
	// bulk, each way.
	if median > 100*time.Millisecond {
		t.Errorf("an echo took %v", median)
	}
}
