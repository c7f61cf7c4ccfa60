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
	if _, err := exec.LookPath("nsc"); err != nil {
		t.Skip("nsc is not on PATH: the scripts of deploy/nsc were not run; TestLifeWithClaims tells the same story without it")
	}
	life(t, newScripts)
}

func TestLifeWithClaims(t *testing.T) {
	slowTier(t)
	life(t, newClaims)
}

func slowTier(t *testing.T) {
	t.Helper()
	if os.Getenv("FAIRLEAD_E2E") == "" {
		t.Skip("runs brokers, bridges and agents for minutes: set FAIRLEAD_E2E=1 (make test-install)")
	}
}
