package doctor

import (
	"regexp"
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/deploy/reachflags"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// TestFlagsOfBridge: no cure names a flag that bridges do not have.
func TestFlagsOfBridge(t *testing.T) {
	flag := regexp.MustCompile(`--[a-z][a-z-]*`)
	has := []string{"--tenants", "--bridge-key"}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	reachflags.Add(flags, "broker-", new(reach.Config))
	flags.VisitAll(func(f *pflag.Flag) { has = append(has, "--"+f.Name) })
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
			f := &cause.Failure{Hop: h, Cause: info.ID}
			if slices.Contains(broker, h) {
				f = f.ForBridge()
			}
			target.Checks[0].Fail(f)
			inWordsOfBridge(target)
			for _, f := range flag.FindAllString(target.Checks[0].Failure.Do, -1) {
				if !slices.Contains(has, f) {
					t.Errorf("%s at %s names %s: %s", info.ID, h, f, target.Checks[0].Failure.Do)
				}
			}
		}
	}
}
