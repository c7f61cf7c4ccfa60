package limit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// flow copies chunks of a caller until the time is over, and returns how many bytes
// passed, with the longest time that a chunk took.
type flow struct {
	bytes int64
	worst time.Duration
}

func (f *flow) run(t *testing.T, l *Limiter, name string, chunk int, pause time.Duration, until time.Time) {
	u := admit(t, l, by(name))
	defer u.Done()
	for time.Now().Before(until) {
		start := time.Now()
		if err := u.Take(context.Background(), chunk); err != nil {
			t.Error(err)
		}
		if time.Now().Before(until) {
			f.bytes += int64(chunk)
		}
		f.worst = max(f.worst, time.Since(start))
		time.Sleep(pause)
	}
}

// Callers share the bytes of a cluster within 10 %, however many streams they have,
// and a session with small messages waits for no one's bulk.
func TestBytesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, long = 10 << 20, 20 * time.Second
		l := configured(Config{Cluster: Limits{BytesPerSecond: rate}})
		until := time.Now().Add(long)
		one, session := new(flow), new(flow)
		many := make([]flow, 100)
		var all sync.WaitGroup
		all.Go(func() { one.run(t, l, "one", 64<<10, 0, until) })
		all.Go(func() { session.run(t, l, "session", 200, 50*time.Millisecond, until) })
		for i := range many {
			all.Go(func() { many[i].run(t, l, "many", 64<<10, 0, until) })
		}
		all.Wait()
		var sum int64
		for i := range many {
			sum += many[i].bytes
		}
		x, y := float64(one.bytes), float64(sum)
		t.Logf("one stream %.1f MiB, 100 streams %.1f MiB, a message of the session waited %v at worst", x/(1<<20), y/(1<<20), session.worst)
		if x < .9*y || y < .9*x {
			t.Errorf("%.0f and %.0f bytes, want the same within 10 %%", x, y)
		}
		if total, most := x+y, float64(rate)*long.Seconds(); total < .95*most || total > most+rate/4 {
			t.Errorf("%.0f bytes in all, want nearly %.0f", total, most)
		}
		if session.worst > 10*time.Millisecond {
			t.Errorf("a message waited %v", session.worst)
		}
	})
}

// Within any time no more than limit*t + burst bytes pass, whatever is asked for.
func TestNeverMoreBytes(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			rate := Bytes(1<<10 + random.IntN(20<<20))
			l := configured(Config{Bridges: 2, Caller: Limits{BytesPerSecond: rate}})
			rate = (rate + 1) / 2
			u := admit(t, l, by("jane"))
			type passed struct {
				at time.Time
				n  int
			}
			var all []passed
			start := time.Now()
			for time.Since(start) < 20*time.Second && len(all) < 2000 {
				n := 1 + random.IntN(256<<10)
				if err := u.Take(t.Context(), n); err != nil {
					t.Fatal(err)
				}
				all = append(all, passed{time.Now(), n})
				time.Sleep(time.Duration(random.IntN(int(20 * time.Millisecond))))
			}
			burst := float64(max(minBurst, rate/4))
			for i := range all {
				sum := 0.0
				for j := i; j < len(all); j++ {
					sum += float64(all[j].n)
					// What is asked for at once may have waited in part before.
					if most := float64(rate)*all[j].at.Sub(all[i].at).Seconds() + burst + float64(all[i].n); sum > most+1 {
						t.Fatalf("%.0f bytes within %v, want at most %.0f", sum, all[j].at.Sub(all[i].at), most)
					}
				}
			}
			u.Done()
		})
	}
}

// Waiting ends with the context, and with the limit.
func TestBytesStopWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := configured(Config{Caller: Limits{BytesPerSecond: 1 << 10}})
		u := admit(t, l, by("jane"))
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		time.AfterFunc(time.Second, func() { cancel(gone) })
		if err := u.Take(ctx, 10<<20); err != gone {
			t.Errorf("%v, want the cause", err)
		}
		let := make(chan error)
		go func() { let <- u.Take(context.Background(), 10<<20) }()
		synctest.Wait()
		l = l.With(&Config{})
		admit(t, l, by("jane")).Done()
		if err := <-let; err != nil {
			t.Error(err)
		}
		u.Done()
		if p := l.callers.use(Caller{Name: "jane"}, nil).pipe; len(p.waiting) != 0 || len(p.ends) != 0 {
			t.Errorf("something is left: %+v", p)
		}
	})
}

// A reader passes on every byte, at the rate.
func TestReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := configured(Config{Caller: Limits{BytesPerSecond: 1 << 20}})
		u := admit(t, l, by("jane"))
		defer u.Done()
		want := bytes.Repeat([]byte("0123456789"), 1<<18)
		start := time.Now()
		got, err := io.ReadAll(u.Reader(t.Context(), bytes.NewReader(want)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v, want %d", len(got), err, len(want))
		}
		if took := time.Since(start); took < 2200*time.Millisecond || took > 2500*time.Millisecond {
			t.Errorf("2.5 MiB at 1 MiB a second took %v", took)
		}
		var none *Usage
		if r := bytes.NewReader(nil); none.Reader(t.Context(), r) != io.Reader(r) {
			t.Error("a reader without a limit is wrapped")
		}
	})
}

func BenchmarkTake(b *testing.B) {
	for name, c := range map[string]Config{"no limit of bytes": {}, "far below the limit": {Cluster: Limits{BytesPerSecond: maxBytes}}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			u := &Usage{}
			if f := configured(c).Admit(b.Context(), u, by("jane")); f != nil {
				b.Fatal(f)
			}
			defer u.Done()
			b.SetBytes(64 << 10)
			for b.Loop() {
				if err := u.Take(b.Context(), 64<<10); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
