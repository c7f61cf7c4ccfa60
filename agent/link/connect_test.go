package link

import (
	"strings"
	"testing"
	"time"
)

// TestLostServerIsTriedLast: behind it may be a path that takes everything and
// answers nothing.
func TestLostServerIsTriedLast(t *testing.T) {
	servers, err := CheckServers([]string{"tls://a", "tls://b", "tls://c"}, false)
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

// TestInsecureTransport: a server that is not reached by TLS is refused by the flag's
// name, and permitted by the flag.
func TestInsecureTransport(t *testing.T) {
	for _, server := range []string{"ws://broker.example/x", "nats://10.0.0.1:4222"} {
		if _, err := CheckServers([]string{server}, false); err == nil || !strings.Contains(err.Error(), "--insecure-transport") {
			t.Errorf("%s: %v", server, err)
		}
		if _, err := CheckServers([]string{server}, true); err != nil {
			t.Errorf("%s with the flag: %v", server, err)
		}
	}
	if _, err := CheckServers([]string{"http://broker.example"}, true); err == nil {
		t.Error("http:// is accepted")
	}
}
