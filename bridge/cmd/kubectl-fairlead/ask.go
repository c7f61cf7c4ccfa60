package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/store"
)

const (
	askTimeout = 30 * time.Second // the bridge answers these requests itself
	maxAnswer  = 32 << 20         // bytes; tens of thousands of clusters
)

// ask gets a path of the bridge's API with the user's ID token.
func (p *plugin) ask(ctx context.Context, path string) (body []byte, s *store.Session, err error) {
	bridge, err := p.bridgeURL()
	if err != nil {
		return nil, nil, err
	}
	s, err = p.session(ctx, bridge)
	if err != nil {
		return nil, nil, err
	}
	body, err = get(ctx, s, path)
	return body, s, err
}

// get gets a path of the API of a session's bridge. The error of an answer that the
// bridge gave is a [*refusedError].
func get(ctx context.Context, s *store.Session, path string) ([]byte, error) {
	h, err := bridgeClient(s.Login.BridgeCA)
	if err != nil {
		return nil, err
	}
	defer h.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Bridge+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.IDToken)
	r.Header.Set("User-Agent", "kubectl-fairlead/"+version)
	res, err := h.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the bridge: %w", signin.NameCA(err, "log in again with --bridge-ca FILE"))
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask the bridge: %w", err)
	case res.StatusCode != http.StatusOK:
		return nil, refusal(s.Bridge, res.StatusCode, body)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%s answered more than %d bytes", s.Bridge, maxAnswer)
	}
	return body, nil
}

// bridgeClient makes the client for a bridge, which trusts the CAs of a file too.
func bridgeClient(caFile string) (*http.Client, error) {
	h, err := signin.HTTPClient(caFile, askTimeout)
	if err != nil {
		return nil, fmt.Errorf("--bridge-ca: %w", err)
	}
	return h, nil
}

// refusedError is a problem document of a bridge.
type refusedError struct {
	status int
	text   string
}

func (e *refusedError) Error() string { return e.text }

// refusal is the error of an answer that is not 200.
func refusal(bridge string, status int, body []byte) error {
	var problem api.Problem
	if json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
		return fmt.Errorf("%s answered %d, and not as a bridge does", bridge, status)
	}
	lock := ""
	if problem.Lock != "" {
		lock = ", lock " + signin.Printable(problem.Lock)
	}
	return &refusedError{status, fmt.Sprintf("%s (%d %s%s, request %s)", signin.Printable(problem.Detail), status,
		signin.Printable(problem.Code), lock, signin.Printable(problem.RequestID))}
}

// askJSON decodes the answer into v.
func (p *plugin) askJSON(ctx context.Context, path string, v any) error {
	body, s, err := p.ask(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("the answer of %s: %w", s.Bridge, err)
	}
	return nil
}

// printJSON writes what programs read.
func (p *plugin) printJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// checkOutput refuses other values of --output than those that there are.
func checkOutput(output string) error {
	if output != "" && output != "json" {
		return fmt.Errorf("output %q: only json is known", output)
	}
	return nil
}
