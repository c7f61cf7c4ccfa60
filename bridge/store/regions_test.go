package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestRegionWithoutTheStore: a bridge whose brokers lose the region with the store is told
// so, at once where the gateways are closed, and within the bound where they swallow what
// is sent. It goes on by itself.
func TestRegionWithoutTheStore(t *testing.T) {
	r := storetest.StartRegions(t, 3)
	s := open(t, r.Brokers, func(c *Config) { c.Broker = natstest.Broker(t, r.FarURLs()...) })
	works := func() {
		t.Helper()
		eventually.Nil(t, "use the store of the other region", func() error {
			_, err := s.Stream(t.Context(), Approvals())
			return err
		})
		if err := s.Unanswered(); err != nil {
			t.Errorf("the store answers, and is said not to: %v", err)
		}
	}
	fails := func(within time.Duration) {
		t.Helper()
		began := time.Now()
		_, err := s.Stream(t.Context(), Approvals())
		took := time.Since(began)
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "not connected to theirs ('fairlead-broker healthcheck cluster'") {
			t.Errorf("without the other region: %v", err)
		}
		if took > within {
			t.Errorf("it took %v, want at most %v", took, within)
		}
		t.Logf("after %v: %v", took, err)
		eventually.Nil(t, "the store to be told as silent", func() error {
			if err := s.Unanswered(); !errors.Is(err, ErrUnavailable) || !strings.HasPrefix(err.Error(), "for ") {
				return fmt.Errorf("it is %v", err)
			}
			return nil
		})
	}
	up(t, s)
	works()
	r.Cut()
	fails(3 * time.Second)
	if err := s.Err(); err != nil {
		t.Errorf("the connection to the brokers at home is lost too: %v", err)
	}
	r.Mend()
	works()
	r.Stall()
	fails(Timeout + time.Second)
	r.Resume()
	works()
}
