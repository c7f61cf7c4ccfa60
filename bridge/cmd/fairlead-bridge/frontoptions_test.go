package main

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge"
)

func TestFrontOptions(t *testing.T) {
	for name, c := range map[string]struct {
		o    frontOptions
		want string
	}{
		"none":                     {frontOptions{}, ""},
		"addresses":                {frontOptions{trustedProxies: []string{"10.0.0.0/8", "192.0.2.1"}, proxyProtocol: true}, ""},
		"not an address":           {frontOptions{trustedProxies: []string{"lb.example.com"}}, "--trusted-proxies"},
		"PROXY headers of no one":  {frontOptions{proxyProtocol: true}, "--proxy-protocol"},
		"forwarding headers alone": {frontOptions{trustedProxies: []string{"::1"}}, ""},
	} {
		var cfg bridge.Config
		err := c.o.apply(&cfg)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err == nil && (len(cfg.TrustedProxies) != len(c.o.trustedProxies) || cfg.ProxyProtocol != c.o.proxyProtocol) {
			t.Errorf("%s: %+v", name, cfg)
		}
	}
}
