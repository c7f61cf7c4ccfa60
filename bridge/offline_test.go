package bridge

import (
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// BenchmarkKnownOffline is the whole path of a request for a cluster that is known to
// be offline, over TLS, compared with a request that concerns no cluster. The former
// waits for no message, holds its locks only for a map look-up, and the query every
// 5 s is sent by another goroutine. So both have the same slowest answers. On a
// loaded machine these (tens of ms) are waits for a core.
func BenchmarkKnownOffline(b *testing.B) {
	for _, way := range []struct{ name, path string }{
		{"offline", "/k8s/clusters/prod/api/v1/pods"},
		{"control", "/v1/nothing"},
	} {
		b.Run(way.name, func(b *testing.B) {
			r := newRig(b, rigOptions{})
			a := r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) { reply(s, 200, "") })
			fetch(b, r, "GET", nil, 0)
			_ = a.Close()
			var times []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				began := time.Now()
				res, err := r.h1.Do(r.request("GET", way.path, nil))
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				times = append(times, time.Since(began))
				if res.StatusCode == http.StatusOK {
					b.Fatal("the cluster is not offline")
				}
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-us")
			b.ReportMetric(float64(times[len(times)-1].Microseconds()), "max-us")
		})
	}
}
