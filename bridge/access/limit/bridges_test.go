package limit

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// Bridges that share a limit allow it together and no more, as far as the caller's
// connections are spread over them.
func TestBridgesShareALimit(t *testing.T) {
	const bridges, per, long = 4, 100, 30
	for _, tt := range []struct {
		name        string
		connections int
		offered     int // requests a second, over all connections
		least       float64
	}{
		{"many connections, twice the limit", 40, 2 * per, .90},
		{"many connections, just the limit", 40, per, .80},
		{"few connections, twice the limit", 8, 2 * per, .50},
		{"one connection", 1, 2 * per, .24},
	} {
		t.Run(tt.name, func(t *testing.T) {
			least, most := 1.0, 0.0
			for seed := range uint64(10) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed, 3))
					var all []*Limiter
					for range bridges {
						all = append(all, configured(Config{Bridges: bridges, Caller: Limits{RequestsPerSecond: per}}))
					}
					var connections []*Limiter
					for range tt.connections { // as a load balancer spreads them
						connections = append(connections, all[random.IntN(bridges)])
					}
					let := 0.0
					for range long * tt.offered {
						u := &Usage{}
						if connections[random.IntN(len(connections))].Admit(t.Context(), u, by("jane")) == nil {
							let++
							u.Done()
						}
						time.Sleep(time.Second / time.Duration(tt.offered))
					}
					if let > long*per+per+bridges {
						t.Errorf("%.0f requests in %d s, want at most %d and the burst", let, long, long*per)
					}
					least, most = min(least, let/(long*per)), max(most, let/(long*per))
				})
			}
			t.Logf("%.0f to %.0f %% of the limit", least*100, most*100)
			if least < tt.least {
				t.Errorf("only %.0f %% of the limit, want at least %.0f %%", least*100, tt.least*100)
			}
		})
	}
}
