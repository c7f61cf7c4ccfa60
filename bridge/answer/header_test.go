package answer

import (
	"testing"

	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

// TestHeaderIsWhatAgentsLookFor: an agent whose URL leads to a bridge says so by the
// header of its errors.
func TestHeaderIsWhatAgentsLookFor(t *testing.T) {
	if Header != dial.BridgeHeader {
		t.Errorf("bridges send %q, agents look for %q", Header, dial.BridgeHeader)
	}
}
