package docs

import (
	"context"
	"strings"

	"github.com/fairlead-io/fairlead/test/harness"
)

// hasEngine gives the reader a container engine. What a scenario that failed has
// left in it is removed.
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
