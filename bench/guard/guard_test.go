package guard

import (
	"runtime"
	"testing"
)

// maxBytes bounds the allocations of one unary request of 1 KB: those of both
// sides, of the broker, and of net/http for them. Client and API server are
// subtracted.
const maxBytes = 12 << 10

// Bounds of what an ID token, grants, impersonation and audit add to that.
const (
	identityBytes  = 1 << 10
	identityAllocs = 4
)

// raceDetector is set in builds with the race detector. It empties sync.Pools at
// random, so that allocations mean nothing.
var raceDetector bool

// cost is what one request allocates.
type cost struct{ bytes, allocs float64 }

func (u *tunnel) measure(t testing.TB, url, token string, conns, requests int) cost {
	t.Helper()
	do := func() {
		if _, err := u.client.Do(job(url, token, conns, requests)); err != nil {
			t.Fatal(err)
		}
	}
	do() // fill pools, open connections
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	n := float64(requests)
	return cost{float64(after.TotalAlloc-before.TotalAlloc) / n, float64(after.Mallocs-before.Mallocs) / n}
}

func TestUnaryAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector changes what is allocated; run 'go test ./bench/guard'")
	}
	u := start(t)
	for _, tc := range []struct {
		name       string
		url, token string
		conns      int
		bytes      float64
		allocs     float64
	}{
		// A message that is written alone costs nats-server some 5 more: a timer for
		// each write in the process, and buffers.
		{"one at a time", u.url, u.token, 1, maxBytes, 93},
		// 82 were measured, and one at a time 88; how many messages share a write
		// depends on the machine.
		{"16 at a time", u.url, u.token, 16, maxBytes, 90},
		// The text of the token is 0.6 KB. Two names of headers are made at the API server,
		// and one list at the agent; the events of audit are made in memory that is there.
		{"one at a time with identity", u.identity, u.idToken, 1, maxBytes + identityBytes, 93 + identityAllocs},
		{"16 at a time with identity", u.identity, u.idToken, 16, maxBytes + identityBytes, 90 + identityAllocs},
	} {
		through, direct := u.measure(t, tc.url, tc.token, tc.conns, 4000), u.measure(t, u.direct, u.token, tc.conns, 4000)
		bytes, allocs := through.bytes-direct.bytes, through.allocs-direct.allocs
		t.Logf("%s: %.0f bytes and %.1f allocations a request (bounds %.0f and %.0f)", tc.name, bytes, allocs, tc.bytes, tc.allocs)
		if bytes > tc.bytes {
			t.Errorf("%s: %.0f bytes are allocated for a request, expected at most %.0f", tc.name, bytes, tc.bytes)
		}
		if allocs > tc.allocs {
			t.Errorf("%s: %.1f allocations are made for a request, expected at most %.0f", tc.name, allocs, tc.allocs)
		}
	}
}

// BenchmarkUnary makes requests through the tunnel and directly, 64 at a time, in
// one process. It is for profiles (-memprofile, -cpuprofile), not for comparisons.
func BenchmarkUnary(b *testing.B) {
	u := start(b)
	const conns = 64
	for _, bc := range []struct{ name, url, token string }{
		{"tunnel", u.url, u.token}, {"identity", u.identity, u.idToken}, {"direct", u.direct, u.token},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			if _, err := u.client.Do(job(bc.url, bc.token, conns, (b.N+conns-1)/conns*conns)); err != nil {
				b.Fatal(err)
			}
		})
	}
}
