package inventory

import (
	"strings"
	"testing"
)

func TestVersionSkew(t *testing.T) {
	for _, tt := range []struct{ agent, bridge, update string }{
		{"v1.4.0", "v1.4.9", ""},
		{"v1.3.0", "v1.4.0", ""},
		{"1.5.0-rc.1", "v1.4.0", ""},
		{"v1.2.7", "v1.4.0", "update the agent"},
		{"v1.6.0", "v1.4.0", "update the bridge"},
		{"v2.0.0", "v1.9.0", "update the bridge"},
		{"v1.9.0", "v2.0.0", "update the agent"},
		{"dev", "v1.4.0", ""},
		{"", "v1.4.0", ""},
		{"v0.0.0-20260101000000-abcdef", "v1.4.0", ""},
		{"v1.99999999999999999999.0", "v1.4.0", ""},
		{"v-1.-9.0", "v1.4.0", ""},
		{"v1.1", "v1.4.0", ""},
	} {
		got := versionSkew(tt.agent, tt.bridge)
		if (got == "") != (tt.update == "") || !strings.HasSuffix(got, tt.update) {
			t.Errorf("agent %s, bridge %s: %q, want %q", tt.agent, tt.bridge, got, tt.update)
		}
	}
}

func TestDistribution(t *testing.T) {
	for version, want := range map[string]string{
		"v1.31.1-gke.1678000": "gke", "v1.30.4-eks-a737599": "eks", "v1.29.3+k3s1": "k3s", "v1.30.1+rke2r1": "rke2", "v1.31.0+k0s": "k0s", "v1.34.4": "", "": "",
	} {
		if got := distribution(version); got != want {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}
