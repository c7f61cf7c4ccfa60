package oidc

import (
	"context"
	"log/slog"
)

// Probe reads an issuer's discovery document and keys once, and returns how many keys
// can be used. It takes at most 15 s.
func Probe(ctx context.Context, issuer *Issuer) (keys int, err error) {
	f, err := newFetcher(issuer, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, err
	}
	all, err := f.keys(ctx)
	return len(all), err
}
