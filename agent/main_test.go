package agent

import (
	"testing"

	"go.uber.org/goleak"
	"k8s.io/klog/v2"
)

func TestMain(m *testing.M) {
	klog.SetSlogLogger(discard()) // client-go's complaints about what tests break
	goleak.VerifyTestMain(m)
}
