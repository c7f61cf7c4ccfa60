package doctor

import (
	"regexp"
	"slices"
	"testing"

	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// TestFlagsOfBridge: no cure names a flag that bridges do not have.
func TestFlagsOfBridge(t *testing.T) {
	flag := regexp.MustCompile(`--[a-z][a-z-]*`)
	has := []string{"--broker-ca", "--broker-url", "--tenants", "--bridge-key"}
	broker := append(slices.Clone(serverHops), cause.JWT, cause.Permission)
	for _, info := range cause.Catalogue() {
		var shown []cause.Hop
		for _, h := range info.Hops {
			switch {
			case info.ID == cause.WrongCluster: // a bridge has no cluster
			case h == cause.Kubernetes:
				shown = append(shown, diagnosis.Issuer, diagnosis.Webhook)
			case slices.Contains(broker, h):
				shown = append(shown, h)
			}
		}
		for _, h := range shown {
			target := diagnosis.New("x", "x", h)
			target.Checks[0].Fail(&cause.Failure{Hop: h, Cause: info.ID})
			inWordsOfBridge(target)
			for _, f := range flag.FindAllString(target.Checks[0].Failure.Do, -1) {
				if !slices.Contains(has, f) {
					t.Errorf("%s at %s names %s: %s", info.ID, h, f, target.Checks[0].Failure.Do)
				}
			}
		}
	}
}
