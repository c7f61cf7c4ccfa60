package settings

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/subjects"
)

// BenchmarkTick: what looking at 10,000 clusters with two instances each costs, of which
// none is behind. It is done every tick.
func BenchmarkTick(b *testing.B) {
	dir := directory.New(directory.Config{Query: func(string) error { return nil }})
	d := NewDesk(Config{})
	for i := range 10000 {
		name := fmt.Sprintf("c%d", i)
		e := kv.Entry{Key: "acme." + name, Value: []byte(`{"settings":{"labels":{"env":"prod"}}}`), Revision: uint64(i + 1)}
		d.put(e)
		for _, instance := range []string{"a", "b"} {
			dir.Presence(name, instance, &subjects.Presence{
				Protocol: [2]int{subjects.MinVersion, subjects.Version}, State: subjects.PresenceUp,
				Settings: &subjects.SettingsState{Revision: revisionOf(e.Revision, e.Value), Accepts: []string{"labels"}},
			})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		d.mu.Lock()
		for ref, c := range d.clusters {
			d.told, _ = dir.AppendSettings(d.told[:0], ref.Cluster)
			if d.look(c, time.Now()) {
				b.Fatal("it sends")
			}
		}
		d.mu.Unlock()
	}
}
