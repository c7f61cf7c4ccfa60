package front

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func trusted(t *testing.T, list ...string) Trusted {
	t.Helper()
	set, err := ParseTrusted(list)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Only entries that trusted proxies wrote count.
func TestCaller(t *testing.T) {
	const proxy = "10.0.0.1:4711"
	for name, c := range map[string]struct {
		remote string
		header http.Header
		want   string
	}{
		"no header":                  {proxy, nil, proxy},
		"a stranger's header":        {"192.0.2.9:1", http.Header{"X-Forwarded-For": {"198.51.100.1"}}, "192.0.2.9:1"},
		"one proxy":                  {proxy, http.Header{"X-Forwarded-For": {"198.51.100.1"}}, "198.51.100.1"},
		"two proxies":                {proxy, http.Header{"X-Forwarded-For": {"198.51.100.1, 10.0.0.2"}}, "198.51.100.1"},
		"a caller's own entry":       {proxy, http.Header{"X-Forwarded-For": {"203.0.113.5, 198.51.100.1"}}, "198.51.100.1"},
		"two lines":                  {proxy, http.Header{"X-Forwarded-For": {"203.0.113.5", "198.51.100.1,10.0.0.2"}}, "198.51.100.1"},
		"an entry with a port":       {proxy, http.Header{"X-Forwarded-For": {"198.51.100.1:99"}}, "198.51.100.1"},
		"IPv6":                       {proxy, http.Header{"X-Forwarded-For": {"2001:db8::1"}}, "2001:db8::1"},
		"IPv6 with a port":           {proxy, http.Header{"X-Forwarded-For": {"[2001:db8::1]:99"}}, "2001:db8::1"},
		"IPv4 in IPv6 form":          {"[::ffff:10.0.0.1]:1", http.Header{"X-Forwarded-For": {"::ffff:198.51.100.1"}}, "198.51.100.1"},
		"proxies alone":              {proxy, http.Header{"X-Forwarded-For": {"10.0.0.3, 10.0.0.2"}}, "10.0.0.3"},
		"nonsense first":             {proxy, http.Header{"X-Forwarded-For": {"x\ny, 10.0.0.2"}}, "10.0.0.2"},
		"nonsense last":              {proxy, http.Header{"X-Forwarded-For": {"198.51.100.1, unknown"}}, proxy},
		"empty":                      {proxy, http.Header{"X-Forwarded-For": {""}}, proxy},
		"Forwarded":                  {proxy, http.Header{"Forwarded": {`for=203.0.113.5, proto=https;For="[2001:db8::1]:99";by=_x`}}, "2001:db8::1"},
		"Forwarded without an entry": {proxy, http.Header{"Forwarded": {"proto=https"}}, proxy},
		"Forwarded, hidden":          {proxy, http.Header{"Forwarded": {"for=_hidden"}}, proxy},
		"both":                       {proxy, http.Header{"X-Forwarded-For": {"198.51.100.1"}, "Forwarded": {"for=203.0.113.5"}}, "198.51.100.1"},
		"not an address":             {"@", http.Header{"X-Forwarded-For": {"198.51.100.1"}}, "@"},
	} {
		if got := trusted(t, "10.0.0.0/8").Caller(c.remote, c.header); got != c.want {
			t.Errorf("%s: the caller is %q, want %q", name, got, c.want)
		}
	}
	h := http.Header{"X-Forwarded-For": {"198.51.100.1"}}
	if got := Trusted(nil).Caller(proxy, h); got != proxy {
		t.Errorf("without trusted proxies the caller is %q", got)
	}
}

// A header of many entries costs a bounded search.
func TestCallerLooksAtFewHops(t *testing.T) {
	h := http.Header{"X-Forwarded-For": {"198.51.100.1" + strings.Repeat(",10.0.0.2", maxHops-1)}}
	if got := trusted(t, "10.0.0.0/8").Caller("10.0.0.1:1", h); got != "198.51.100.1" {
		t.Errorf("%d hops: the caller is %q", maxHops, got)
	}
	h = http.Header{"X-Forwarded-For": {"198.51.100.1" + strings.Repeat(",10.0.0.2", maxHops)}}
	if got := trusted(t, "10.0.0.0/8").Caller("10.0.0.1:1", h); got != "10.0.0.2" {
		t.Errorf("%d hops: the caller is %q", maxHops+1, got)
	}
}

func TestParseTrusted(t *testing.T) {
	set := trusted(t, "10.0.0.0/8", " 192.0.2.7", "2001:db8::/32", "::ffff:203.0.113.1")
	for a, want := range map[string]bool{
		"10.255.0.1": true, "192.0.2.7": true, "2001:db8::5": true, "203.0.113.1": true, "::ffff:10.1.1.1": true,
		"11.0.0.1": false, "192.0.2.8": false, "2001:db9::": false,
	} {
		if set.Contains(netip.MustParseAddr(a)) != want {
			t.Errorf("%s: contained is %v", a, !want)
		}
	}
	if set.Contains(netip.Addr{}) {
		t.Error("no address at all is contained")
	}
	for _, bad := range []string{"", "x", "10.0.0.0/33", "10.0.0.1:80", "::ffff:10.0.0.0/104", "10.0.0.0/8,192.0.2.1"} {
		if _, err := ParseTrusted([]string{bad}); err == nil || !strings.Contains(err.Error(), "CIDR") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
