package link

import (
	"testing"
	"time"
)

// TestLostServerIsTriedLast: behind it may be a path that takes everything and
// answers nothing.
func TestLostServerIsTriedLast(t *testing.T) {
	servers, err := CheckServers([]string{"tls://a", "tls://b", "tls://c"})
	if err != nil {
		t.Fatal(err)
	}
	c := &Connector{servers: servers, avoid: servers[1]}
	firsts := map[int]bool{}
	for range 200 {
		order := c.order()
		if order[2] != 1 {
			t.Fatalf("order %v, want the second at the end", order)
		}
		firsts[order[0]] = true
	}
	if len(firsts) != 2 {
		t.Errorf("first was always one of %v: agents would all go to the same server", firsts)
	}
}

// TestLosses: connections that are cut as soon as they are made are made ever
// more slowly; after one that lasted, the next is made at once.
func TestLosses(t *testing.T) {
	var l losses
	for i, step := range []struct {
		lasted time.Duration
		want   int
	}{{time.Second, 1}, {0, 2}, {steady - 1, 3}, {0, 4}, {steady, 1}, {time.Hour, 1}, {0, 2}} {
		if got := l.after(step.lasted); got != step.want {
			t.Errorf("loss %d: %d attempts, want %d", i, got, step.want)
		}
	}
}
