package doctor

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-io/fairlead/bridge/access/oidc"
	"github.com/fairlead-io/fairlead/bridge/access/webhook"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// service is one that the access file names.
type service struct {
	name string
	hop  cause.Hop
	ask  func(ctx context.Context) (found string, err error)
}

// services are those that the access file names, as far as it could be read.
func (c *Config) services() (all []service) {
	config := c.Access.Config
	if config == nil {
		return nil
	}
	for i := range config.Authentication.OIDC {
		issuer := &config.Authentication.OIDC[i]
		all = append(all, service{"issuer " + issuer.Name, diagnosis.Issuer, func(ctx context.Context) (string, error) {
			keys, err := oidc.Probe(ctx, issuer, c.Proxies)
			return fmt.Sprintf("%s publishes its discovery document; keys that can be used: %d", issuer.URL, keys), err
		}})
	}
	probe := func(name, kubeconfig string) {
		all = append(all, service{name, diagnosis.Webhook, func(ctx context.Context) (string, error) {
			url, err := webhook.Probe(ctx, kubeconfig, c.Proxies)
			return url + " answers", err
		}})
	}
	if review := config.Authentication.TokenReview; review != nil {
		probe("token review service", review.Kubeconfig)
	}
	if review := config.Authorization.SubjectAccessReview; review != nil {
		probe("access review service", review.Kubeconfig)
	}
	return all
}

// fail makes a target one that is not reached. The hop is the service, to which all steps
// lead, but for a forward proxy on the way.
func fail(t *diagnosis.Target, f *cause.Failure) {
	if f.Hop != cause.Proxy {
		t.Checks[0].Fail(f)
		return
	}
	between := &diagnosis.Check{Hop: cause.Proxy}
	between.Fail(f.ForService())
	t.Checks = append([]*diagnosis.Check{between}, t.Checks...)
}

// lookAtServices asks all of them, some at a time.
func (c *Config) lookAtServices(ctx context.Context) []*diagnosis.Target {
	all := c.services()
	targets := make([]*diagnosis.Target, len(all))
	var group errgroup.Group
	group.SetLimit(maxAtOnce)
	for i, s := range all {
		targets[i] = diagnosis.New(s.name, s.name, s.hop)
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, c.Timeout)
			defer cancel()
			found, err := s.ask(ctx)
			if err != nil {
				fail(targets[i], classify.Error(cause.Kubernetes, "reach the "+s.name, err))
				return nil
			}
			targets[i].Checks[0].Pass(found)
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	return targets
}
