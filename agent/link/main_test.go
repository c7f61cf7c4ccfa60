package link

import (
	"testing"

	"go.uber.org/goleak"
	"k8s.io/klog/v2"

	"github.com/fairlead-io/fairlead/agent/agenttest"
)

func TestMain(m *testing.M) {
	klog.SetSlogLogger(agenttest.Discard()) // client-go's complaints about what tests break
	goleak.VerifyTestMain(m)
}
