package doctor

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/link"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

// Config says what to look at. It is that of the agent.
type Config struct {
	// Link says how to reach the broker. Adopt, Registry and Logger are not used.
	Link link.Config
	// LoadKube returns how to reach the API server.
	LoadKube func() (*rest.Config, error)
	// AllowFile names the file with the list of what the cluster's owner allows, ""
	// for none.
	AllowFile string
	// Namespace returns the agent's own namespace in the cluster; nil where it is not
	// in the cluster.
	Namespace func() (string, error)
	// Timeout bounds the look at each server and at the API server.
	Timeout time.Duration
	// Version is the agent's.
	Version string
}

// Run looks at everything and returns the report. An error means that the
// configuration cannot work, whatever the network does.
func Run(ctx context.Context, cfg Config) (*diagnosis.Report, error) {
	k := &kubeLook{cfg: &cfg}
	cfg.Link.Clock = dial.Measured("the API server", k.clockAhead)
	cfg.Link.Registry, cfg.Link.Logger = prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	connector, err := link.New(cfg.Link)
	if err != nil {
		return nil, err
	}
	r := &diagnosis.Report{Program: "fairlead-agent", Version: cfg.Version, Time: time.Now().UTC()}
	kube := k.look(ctx) // first, since its answers show whether this machine's clock is right
	creds, err := connector.Credentials()
	for _, server := range connector.Servers() {
		b := &brokerLook{cfg: &cfg, connector: connector, server: server, creds: creds, credsErr: err}
		r.Targets = append(r.Targets, b.look(ctx))
	}
	r.Targets = append(r.Targets, kube)
	r.Judge()
	return r, nil
}
