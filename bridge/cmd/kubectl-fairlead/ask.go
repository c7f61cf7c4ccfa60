package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/store"
)

// askTimeout bounds what is asked of a bridge, which answers these requests itself.
const askTimeout = 30 * time.Second

// ask makes a request of the user's bridge with the user's ID token.
func ask[T any](ctx context.Context, p *plugin, f func(context.Context, *client.Client) (T, error)) (v T, s *store.Session, err error) {
	bridge, err := p.bridgeURL()
	if err != nil {
		return v, nil, err
	}
	if s, err = p.session(ctx, bridge); err != nil {
		return v, nil, err
	}
	v, err = askAs(ctx, s, f)
	return v, s, err
}

// askAs makes a request of a session's bridge. The error of an answer that the bridge
// gave is a [*refusedError].
func askAs[T any](ctx context.Context, s *store.Session, f func(context.Context, *client.Client) (T, error)) (v T, err error) {
	h, err := bridgeClient(s.Login.BridgeCA)
	if err != nil {
		return v, err
	}
	defer h.CloseIdleConnections()
	c, err := client.New(s.Bridge, client.Options{
		Token: client.Token(s.IDToken), UserAgent: "kubectl-fairlead/" + version, Transport: h.Transport,
	})
	if err != nil {
		return v, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if v, err = f(ctx, c); err != nil {
		err = explain(s.Bridge, err)
	}
	return v, err
}

// clusters lists all that the user may see.
func clusters(ctx context.Context, c *client.Client) (*api.ClusterList, error) {
	return c.Clusters(ctx, client.ClusterFilter{})
}

// whoami asks as whom the bridge knows the user.
func whoami(ctx context.Context, c *client.Client) (*api.Caller, error) { return c.WhoAmI(ctx) }

// bridgeClient makes the client for a bridge, which trusts the CAs of a file too.
func bridgeClient(caFile string) (*http.Client, error) {
	h, err := signin.HTTPClient(caFile, askTimeout)
	if err != nil {
		return nil, fmt.Errorf("--bridge-ca: %w", err)
	}
	return h, nil
}

// refusedError is a problem document of a bridge, told to a person.
type refusedError struct {
	status int
	text   string
}

func (e *refusedError) Error() string { return e.text }

// explain tells a person why the bridge could not be asked, or what it refused.
func explain(bridge string, err error) error {
	e, answered := errors.AsType[*client.Error](err)
	if !answered {
		return fmt.Errorf("ask the bridge: %w", signin.NameCA(err, "give it with --bridge-ca FILE or FAIRLEAD_BRIDGE_CA, or log in again with --bridge-ca FILE"))
	}
	problem := e.Problem
	if problem.Code == "" {
		return fmt.Errorf("%s answered %d, and not as a bridge does", bridge, problem.Status)
	}
	lock := ""
	if problem.Lock != "" {
		lock = ", lock " + signin.Printable(problem.Lock)
	}
	return &refusedError{problem.Status, fmt.Sprintf("%s (%d %s%s, request %s)", signin.Printable(problem.Detail), problem.Status,
		signin.Printable(problem.Code), lock, signin.Printable(problem.RequestID))}
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
