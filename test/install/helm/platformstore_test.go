package helm

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestPlatformStore: brokers keep what bridges share, each on a volume of its own. A
// stream that a bridge makes has three copies, is there after all brokers were replaced
// one by one, and is not removed with the release.
func TestPlatformStore(t *testing.T) {
	p := newPlatformSpace(t, platformRelease)
	t.Parallel()
	p.applySecrets()
	p.helm(append([]string{"install", platformRelease, p.chart(),
		"--set", "broker.store.enabled=true,broker.store.size=5Gi,access.file.approvals.shared=true,access.file.audit.jetStream.shared=true",
	}, built()...)...)
	p.rollout()
	p.installAgent("fairlead-agent", p.brokerURL(), p.file("creds", "prod.acme.creds"))
	p.works("prod.acme")
	p.keeps("2 streams")
	p.tested(platformRelease)

	p.kubectl("rollout", "restart", "statefulset/"+p.name+"-broker")
	p.rollout()
	p.keeps("2 streams")
	p.works("prod.acme")

	p.helm("uninstall", "fairlead-agent", "--wait", "--timeout", within.String())
	p.helm("uninstall", platformRelease, "--wait", "--timeout", within.String())
	claims := p.kubectl("get", "persistentvolumeclaims", "-o", "name")
	if n := strings.Count(claims, "/store-"); n != 3 {
		t.Errorf("%d volumes of the store are left after an uninstall, want 3:\n%s", n, claims)
	}
	p.kubectl("delete", "persistentvolumeclaims", "--all")
}

// keeps waits until every broker has a copy of so many streams, and the store is whole.
func (p *platformSpace) keeps(streams string) {
	p.t.Helper()
	for i := range 3 {
		pod := fmt.Sprintf("%s-broker-%d", p.name, i)
		p.until(pod+" to have the streams", func(ctx context.Context) error {
			out, err := p.kube.Run(ctx, "", "exec", "--namespace", p.space.name, pod, "--", "/fairlead-broker", "healthcheck", "cluster")
			if err == nil && !strings.Contains(out, "[+]store store has "+streams) {
				err = fmt.Errorf("it says %s", out)
			}
			return err
		})
	}
}
