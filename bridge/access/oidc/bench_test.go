package oidc

import (
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// BenchmarkCached is what a request costs whose token was verified before.
func BenchmarkCached(b *testing.B) {
	i := startIssuer(b)
	a := open(b, trusting(i))
	r := request(mint(b, i, gitlabClaims))
	if _, err := a.Authenticate(r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(r.Header.Get("Authorization"))))
	for b.Loop() {
		if _, err := a.Authenticate(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFresh is what the first request with a token costs.
func BenchmarkFresh(b *testing.B) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		b.Run(algorithm, func(b *testing.B) {
			i := startIssuer(b)
			config := trusting(i)
			config.Username = `"gitlab:" + claims.project_path`
			config.Groups = `["gitlab:" + claims.namespace_path]`
			a := open(b, config)
			if algorithm == "ES256" {
				if _, err := i.AddKey("ES256"); err != nil {
					b.Fatal(err)
				}
			}
			token := mint(b, i, gitlabClaims)
			accepted(b, a, token)
			issuer := a.issuers[i.URL()]
			var c *access.Caller
			b.ReportAllocs()
			for b.Loop() {
				t, err := parse(token)
				if err != nil {
					b.Fatal(err)
				}
				if c, _, err = issuer.verify(b.Context(), t); err != nil {
					b.Fatal(err)
				}
				c.Lease.End(nil)
			}
			if time.Until(c.Expires) < time.Minute {
				b.Error("the token has no time left")
			}
		})
	}
}
