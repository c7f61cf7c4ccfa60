//go:build unix

package guard

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkIdentityCPU compares the CPU time of a request with an ID token, grants and audit
// with that of one with a static token, and of one with a static token as long. Blocks of
// each alternate in one process, so that the state of the machine is the same for all, and
// the means are those of three quarters of the blocks. Client and API server are included.
// b.N is the number of blocks.
func BenchmarkIdentityCPU(b *testing.B) {
	u := start(b)
	cases := []cpuCase{
		{name: "tunnel", url: u.url, token: u.token},
		{name: "longtoken", url: u.url, token: u.longToken},
		{name: "identity", url: u.identity, token: u.idToken},
	}
	for i := range 3 * len(cases) { // to open connections, and fill pools
		cases[i%len(cases)].block(b, u)
	}
	b.ResetTimer()
	for range b.N {
		for _, i := range rand.Perm(len(cases)) {
			c := &cases[i]
			c.samples = append(c.samples, c.block(b, u))
		}
	}
	identity := cases[2].samples
	for _, c := range cases {
		b.ReportMetric(middle(c.samples), c.name+"-us/op")
		if c.name == "identity" {
			break
		}
		more := make([]float64, b.N)
		for i := range more {
			more[i] = identity[i] - c.samples[i]
		}
		b.ReportMetric(middle(more), "more-than-"+c.name+"-us/op")
	}
}

type cpuCase struct {
	name, url, token string
	samples          []float64 // microseconds a request
}

// block makes requests, 64 at a time, and returns the microseconds that each took.
func (c *cpuCase) block(b *testing.B, u *tunnel) float64 {
	const conns, requests = 64, 640
	before := cpu(b)
	if _, err := u.client.Do(job(c.url, c.token, conns, requests)); err != nil {
		b.Fatal(err)
	}
	return float64(cpu(b)-before) / float64(time.Microsecond) / requests
}

// cpu is the CPU time of the process.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// middle is the mean of the samples without an eighth at each end.
func middle(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	s = s[len(s)/8 : len(s)-len(s)/8]
	sum := 0.0
	for _, v := range s {
		sum += v
	}
	return sum / float64(len(s))
}
