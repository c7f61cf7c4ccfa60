package helm

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestPlatformStore: brokers keep what bridges share, each on a volume of its own. A
// stream that a bridge makes has three copies, is there after all brokers were replaced
// one by one, and is not removed with the release. The bridges have an access file, and
// a volume for audit and recordings: grants decide, and a changed one counts without a
// restart of bridges.
func TestPlatformStore(t *testing.T) {
	p := newPlatformSpace(t, platformRelease)
	t.Parallel()
	token := p.newToken("--name", "dev", "--grants-only")
	p.applySecrets()
	p.helm(append([]string{"install", platformRelease, p.chart(), "--values", p.access("[pods]")}, built()...)...)
	p.rollout()
	p.installAgent("fairlead-agent", p.brokerURL(), p.file("creds", "prod.acme.creds"), "--set", "impersonation.users={fairlead:dev}")
	p.works("prod.acme")
	p.keeps(3) // approvals, audit, events
	p.tested(platformRelease)
	p.granted(token)

	bridges := p.pods("bridge")
	p.grantsMore() // the kubelet brings the change while the brokers are replaced
	p.kubectl("rollout", "restart", "statefulset/"+p.name+"-broker")
	p.rollout()
	p.keeps(3)
	p.works("prod.acme")
	p.mayMore(token)
	p.unmoved(bridges, "bridge")

	p.helm("uninstall", "fairlead-agent", "--wait", "--timeout", within.String())
	p.helm("uninstall", platformRelease, "--wait", "--timeout", within.String())
	claims := p.kubectl("get", "persistentvolumeclaims", "-o", "name")
	if n := strings.Count(claims, "/store-"); n != 3 {
		t.Errorf("%d volumes of the store are left after an uninstall, want 3:\n%s", n, claims)
	}
	p.kubectl("delete", "persistentvolumeclaims", "--all")
}

// keeps waits until every broker has a copy of so many streams at least, and the store is
// whole.
func (p *platformSpace) keeps(least int) {
	p.t.Helper()
	for i := range 3 {
		pod := fmt.Sprintf("%s-broker-%d", p.name, i)
		p.until(pod+" to have the streams", func(ctx context.Context) error {
			out, err := p.kube.Run(ctx, "", "exec", "--namespace", p.space.name, pod, "--", "/fairlead-broker", "healthcheck", "cluster")
			if err == nil {
				var streams int
				_, said, _ := strings.Cut(out, "[+]store store has ")
				if _, scan := fmt.Sscanf(said, "%d streams", &streams); scan != nil || streams < least {
					err = fmt.Errorf("it says %s", out)
				}
			}
			return err
		})
	}
}
