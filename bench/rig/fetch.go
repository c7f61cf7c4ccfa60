package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// ops reads ops listeners. It keeps no connections, since their memory would be
// measured too.
var ops = &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}

func fetch(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := ops.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return resp.Body, nil
}

// Profile writes CPU profiles of the bridge and the agent of a target of Fairlead's,
// taken for d from now on, to the files <prefix>-bridge.pprof and <prefix>-agent.pprof.
func (t *Target) Profile(ctx context.Context, d time.Duration, prefix string) error {
	if err := os.MkdirAll(filepath.Dir(prefix), 0o755); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	agent := make(chan error, 1)
	go func() { agent <- saveProfile(ctx, t.agent.Ops, d, prefix+"-agent.pprof") }()
	return errors.Join(saveProfile(ctx, t.bridge.Ops, d, prefix+"-bridge.pprof"), <-agent)
}

func saveProfile(ctx context.Context, ops string, d time.Duration, path string) error {
	profile, err := fetch(ctx, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", ops, int(d.Seconds())))
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer func() { _ = profile.Close() }()
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	_, err = io.Copy(f, profile)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	return nil
}
