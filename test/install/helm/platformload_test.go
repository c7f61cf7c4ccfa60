package helm

import (
	"maps"
	"slices"
	"testing"
)

// TestPlatformBrokerLoss deletes the pod of every broker, one after the other,
// while requests and a watch run through them. None fails.
func TestPlatformBrokerLoss(t *testing.T) {
	p := newPlatformSpace(t, platformRelease)
	t.Parallel()
	p.applySecrets()
	p.helm(append([]string{"install", platformRelease, p.chart(), "--wait", "--timeout", within.String()}, built()...)...)
	p.installAgent("fairlead-agent", p.brokerURL(), p.file("creds", "prod.acme.creds"))
	bridges := p.pods("bridge")
	load := p.beginLoad(p.works("prod.acme"))
	for _, name := range slices.Sorted(maps.Keys(p.pods("broker"))) {
		p.kubectl("delete", "pod", name)
		load.goesOn()
		p.rollout()
	}
	load.goesOn()
	load.end()
	p.unmoved(bridges, "bridge")
}
