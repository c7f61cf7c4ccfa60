package broker

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestStoreStopsBehindWhatItWasAsked: a broker that is stopped while it makes streams makes
// them first. nats-server would go on behind its end, and leave their goroutines.
func TestStoreStopsBehindWhatItWasAsked(t *testing.T) {
	l := newLayout(t)
	for round := range 10 {
		before := goleak.IgnoreCurrent()
		b := startNode(t, l, func(c *Config) { c.StoreDir = t.TempDir() })
		nc := storeUser(t, l, b, "b1")
		for i, name := range subjects.StoreStreams() {
			config, err := json.Marshal(nats.StreamConfig{
				Name: name, Subjects: []string{fmt.Sprintf("fairlead.test.%d.>", i)}, Storage: nats.FileStorage, MaxBytes: 1 << 20,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := nc.PublishRequest("$JS.API.STREAM.CREATE."+name, subjects.StoreInbox("b1")+".answer", config); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil { // the broker has them all
			t.Fatal(err)
		}
		b.Shutdown()
		nc.Close()
		if err := goleak.Find(before); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}
