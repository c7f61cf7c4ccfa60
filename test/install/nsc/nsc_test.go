package nsc

import (
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/fairlead-io/fairlead/test/harness.startOnOneThread"))
}

func TestLifeWithNSC(t *testing.T) {
	slowTier(t)
	needNSC(t)
	life(t, newScripts)
}

func TestLifeWithClaims(t *testing.T) {
	slowTier(t)
	life(t, newClaims)
}

// needNSC skips a test if nsc is missing, in every mode: nsc cannot be installed
// from the Go module proxy.
func needNSC(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("nsc"); err != nil {
		t.Skip("nsc is not on PATH: the scripts of deploy/nsc were not run; TestLifeWithClaims tests the same steps without it")
	}
}

func slowTier(t *testing.T) {
	t.Helper()
	if os.Getenv("FAIRLEAD_E2E") == "" {
		t.Skip("runs brokers, bridges and agents for minutes: set FAIRLEAD_E2E=1 (make test-install)")
	}
}
