package docs

import (
	"context"
	"strings"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/install/compose/substitute"
)

// hasEngine gives the reader a container engine, and removes what an earlier
// scenario that failed left in it.
func (r *reader) hasEngine() { r.startEngine() }

func (r *reader) startEngine() *harness.Docker {
	r.t.Helper()
	engine, err := harness.StartDocker(r.t.Context())
	if err != nil && !require {
		r.t.Skip(err)
	} else if err != nil {
		r.t.Fatal(err)
	}
	if host := engine.Host(); host != "" {
		r.t.Setenv("DOCKER_HOST", host)
	}
	r.t.Cleanup(func() {
		ctx := context.WithoutCancel(r.t.Context())
		for _, remove := range [][]string{{"rm", "--force", "fairlead-try"}, {"volume", "rm", "--force", "fairlead-try"}} {
			if _, err := engine.Run(ctx, remove...); err != nil && !strings.Contains(err.Error(), "No such") {
				r.t.Error(err)
			}
		}
		if err := engine.Stop(); err != nil {
			r.t.Error(err)
		}
	})
	return engine
}

// hasCompose gives the reader kubectl and an engine with the images that
// otherwise come from Docker Hub. The project and its port are the reader's own.
func (r *reader) hasCompose() {
	r.t.Helper()
	engine := r.startEngine()
	r.hasKubectl()
	address, err := freeport.Address()
	if err != nil {
		r.t.Fatal(err)
	}
	_, port, _ := strings.Cut(address, ":")
	env := append(engine.Env(), "COMPOSE_PROJECT_NAME=fairlead-docs", "FAIRLEAD_PORT="+port)
	all, err := substitute.Env(r.t.Context(), env)
	if err != nil {
		r.t.Fatal(err)
	}
	r.env = append(r.env, all...)
	r.t.Cleanup(func() { // if the scenario did not get to the end of the document
		if err := harness.Make(context.WithoutCancel(r.t.Context()), all, "compose-down"); err != nil {
			r.t.Error(err)
		}
	})
}
