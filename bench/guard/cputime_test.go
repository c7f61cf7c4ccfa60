//go:build unix

package guard

import (
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bench/load"
)

// BenchmarkCPUTime is the CPU time of requests and of MiB through the tunnel, all of it in
// this process, client and API server included: run two builds of it in turn to compare
// them on a machine that others use, where rates say little. b.N is the number of blocks.
func BenchmarkCPUTime(b *testing.B) {
	const block = 32 << 20 // bytes
	u := start(b)
	for _, bc := range []struct {
		name, per string
		job       load.Job
	}{
		{"unary of 1", "us/req", job(u.url, u.token, 1, 500)},
		{"unary of 16", "us/req", job(u.url, u.token, 16, 1600)},
		{"unary of 64", "us/req", job(u.url, u.token, 64, 1600)},
		{"download of 1", "us/MiB", load.Job{Op: load.OpDownload, URL: u.url, Token: u.token, Conns: 1, Bytes: block}},
		{"download of 4", "us/MiB", load.Job{Op: load.OpDownload, URL: u.url, Token: u.token, Conns: 4, Bytes: block}},
		{"upload of 1", "us/MiB", load.Job{Op: load.OpUpload, URL: u.url, Token: u.token, Conns: 1, Bytes: block}},
		{"upload of 4", "us/MiB", load.Job{Op: load.OpUpload, URL: u.url, Token: u.token, Conns: 4, Bytes: block}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var samples []float64
			for i := range b.N + 3 { // three to open connections, and to fill pools
				before := cpu(b)
				r, err := u.client.Do(bc.job)
				if err != nil {
					b.Fatal(err)
				}
				n := float64(r.Count)
				if r.Bytes > 0 {
					n = float64(r.Bytes) / (1 << 20)
				}
				if i >= 3 {
					samples = append(samples, float64(cpu(b)-before)/float64(time.Microsecond)/n)
				}
			}
			b.ReportMetric(middle(samples), bc.per)
			b.ReportMetric(0, "ns/op")
		})
	}
}
