package ui

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// fleet is n clusters of two tenants, every third of which is offline.
func fleet(n int) *api.ClusterList {
	var all api.ClusterList
	for i := range n {
		c := api.Cluster{Name: fmt.Sprintf("c%04d", i), Tenant: "default", State: "connected"}
		if i%2 == 1 {
			c.Name, c.Tenant = c.Name+".acme", "acme"
		}
		if i%3 == 0 {
			c.State = "offline"
		}
		all.Clusters = append(all.Clusters, c)
	}
	return &all
}

// TestListIsFilteredAndCut: filters apply together, states are counted with the other filters,
// and every cluster is on one page.
func TestListIsFilteredAndCut(t *testing.T) {
	for _, c := range []struct {
		query          string
		matching, rows int
		first          string
		states         string
	}{
		{"", 300, 100, "c0000", "All 300, Connected 200, Offline 100"},
		{"page=3", 300, 100, "c0200", "All 300, Connected 200, Offline 100"},
		{"page=99", 300, 100, "c0200", "All 300, Connected 200, Offline 100"},
		{"page=-1", 300, 100, "c0000", "All 300, Connected 200, Offline 100"},
		{"page=x", 300, 100, "c0000", "All 300, Connected 200, Offline 100"},
		{"state=offline", 100, 100, "c0000", "All 300, Connected 200, Offline 100"},
		{"tenant=acme", 150, 100, "c0001.acme", "All 150, Connected 100, Offline 50"},
		{"tenant=acme&state=offline&q=C000", 2, 2, "c0003.acme", "All 5, Connected 3, Offline 2"},
		{"q=+c0007+", 1, 1, "c0007.acme", "All 1, Connected 1"},
		{"q=none", 0, 0, "", "All 0"},
		{"state=draining", 0, 0, "", "All 300, Connected 200, Draining 0, Offline 100"},
		{"state=%3Cb%3E", 0, 0, "", "All 300, Connected 200, Offline 100, <b> 0"},
		{"q=" + strings.Repeat("x", 1<<20), 0, 0, "", "All 0"},
	} {
		q, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		p := newList(q, fleet(300))
		var states []string
		for _, s := range p.States {
			states = append(states, fmt.Sprintf("%s %d", s.Label, s.Count))
		}
		first := ""
		if len(p.Clusters) > 0 {
			first = p.Clusters[0].Name
		}
		if p.Matching != c.matching || len(p.Clusters) != c.rows || first != c.first || strings.Join(states, ", ") != c.states || len(p.Tenants) != 2 {
			t.Errorf("%.60s: %d matching, %d shown from %q, %v, tenants %v", c.query, p.Matching, len(p.Clusters), first, states, p.Tenants)
		}
	}
	seen := map[string]bool{}
	for next := "./"; next != ""; {
		u, err := url.Parse(next)
		if err != nil {
			t.Fatal(err)
		}
		p := newList(u.Query(), fleet(250))
		for _, c := range p.Clusters {
			seen[c.Name] = true
		}
		next = p.Later
	}
	if len(seen) != 250 {
		t.Errorf("the pages have %d clusters", len(seen))
	}
}

func TestAgo(t *testing.T) {
	now := time.Now()
	for d, want := range map[time.Duration]string{
		0: "now", 4 * time.Second: "now", -4 * time.Second: "now", 59 * time.Second: "59 s ago", 61 * time.Second: "1 min ago",
		time.Hour: "1 h ago", 47 * time.Hour: "47 h ago", 49 * time.Hour: "2 days ago", -72 * time.Hour: "in 3 days",
	} {
		if got := ago(now.Add(-d), now); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		rtt(1): "< 0.1 ms", rtt(1549): "1.5 ms", rtt(9999): "10.0 ms", rtt(123_456): "123 ms",
		size(0): "0 B", size(1023): "1023 B", size(1536): "1.5 KiB", size(200 << 20): "200 MiB", size(1 << 62): "4194304 TiB",
		count(0): "0", count(999): "999", count(1000): "1,000", count(12345678): "12,345,678",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestPagesAreSmall: all that a browser loads for a page, besides its text.
func TestPagesAreSmall(t *testing.T) {
	sum := 0
	for _, dir := range []string{"templates", "static"} {
		entries, err := files.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			sum += int(info.Size())
		}
	}
	if sum > 50<<10 {
		t.Errorf("%d bytes, want at most 50 KiB", sum)
	}
}
