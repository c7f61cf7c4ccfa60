package plane

import (
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/kube/slot"
)

func TestEverythingListensOnLoopbackInItsSlot(t *testing.T) {
	l := Layout{Dir: "/d", Slot: slot.Slot{Number: 3}}
	for name, c := range map[string]struct{ flags, want []string }{
		"etcd": {l.etcdFlags(), []string{
			"--listen-client-urls=http://127.0.0.1:21049", "--listen-peer-urls=http://127.0.0.1:21050"}},
		"kube-apiserver": {l.apiServerFlags(), []string{
			"--bind-address=127.0.0.1", "--secure-port=21051", "--etcd-servers=http://127.0.0.1:21049"}},
		"kube-controller-manager": {l.controllerManagerFlags(), []string{"--bind-address=127.0.0.1", "--secure-port=21052"}},
		"kube-scheduler":          {l.schedulerFlags(), []string{"--bind-address=127.0.0.1", "--secure-port=21053"}},
	} {
		for _, want := range c.want {
			if !slices.Contains(c.flags, want) {
				t.Errorf("%s lacks %s: %q", name, want, c.flags)
			}
		}
		for _, flag := range c.flags {
			if strings.Contains(flag, "0.0.0.0") || strings.Contains(flag, "[::]") {
				t.Errorf("%s is open to the network: %s", name, flag)
			}
		}
	}
}

// The service kubernetes needs an endpoint that pods reach; the API server
// itself stays on loopback.
func TestServicesHaveAnEndpoint(t *testing.T) {
	l := Layout{Dir: "/d", Slot: slot.Slot{Number: 3}}
	const none = "--endpoint-reconciler-type=none"
	if !slices.Contains(l.apiServerFlags(), none) {
		t.Error("without services the API server must not look for an endpoint of its own")
	}
	l.Services = true
	flags := l.apiServerFlags()
	if slices.Contains(flags, none) || !slices.Contains(flags, "--advertise-address=10.201.3.1") || !slices.Contains(flags, "--bind-address=127.0.0.1") {
		t.Errorf("with services: %q", flags)
	}
}

func TestAuditAndExtraFlags(t *testing.T) {
	l := Layout{Dir: "/d", Slot: slot.Slot{Number: 1}}
	if slices.ContainsFunc(l.apiServerFlags(), func(s string) bool { return strings.HasPrefix(s, "--audit") }) {
		t.Error("the audit log costs time, so it must be off by default")
	}
	l.Audit, l.Extra = true, []string{"--goaway-chance=0.01"}
	flags := l.apiServerFlags()
	if !slices.Contains(flags, "--audit-log-path=/d/logs/audit.log") {
		t.Errorf("no audit log: %q", flags)
	}
	if flags[len(flags)-1] != "--goaway-chance=0.01" {
		t.Error("extra flags must come last, where they override the others")
	}
}
