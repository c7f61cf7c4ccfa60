package oidc

import (
	"context"
	"log/slog"

	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

// Probe reads an issuer's discovery document and keys once, and returns how many keys
// can be used. proxies is how issuers are reached, nil for the proxies of the
// environment. It takes at most 15 s.
func Probe(ctx context.Context, issuer *Issuer, proxies *proxy.Proxies) (keys int, err error) {
	f, err := newFetcher(issuer, proxies, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, err
	}
	all, err := f.keys(ctx)
	return len(all), err
}
