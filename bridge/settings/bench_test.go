package settings

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/bridge/tenant"
)

// BenchmarkTick: what 10,000 clusters with two instances each cost a tick, of which none is
// behind, and of which a hundredth has something new to tell.
func BenchmarkTick(b *testing.B) {
	for _, news := range []int{0, 100} {
		b.Run(fmt.Sprint(news, " with news"), func(b *testing.B) {
			dir := directory.New(directory.Config{Query: func(string) error { return nil }})
			d := NewDesk(Config{})
			for i := range 10000 {
				name := fmt.Sprintf("c%d", i)
				e := kv.Entry{Key: "acme." + name, Value: []byte(`{"settings":{"labels":{"env":"prod"}}}`), Revision: uint64(i + 1)}
				d.put(e)
				for _, instance := range []string{"a", "b"} {
					announce(dir, name, instance, revisionOf(e.Revision, e.Value), "")
				}
			}
			t := d.tenants["acme"]
			t.follow(dir, new(tenant.Conn))
			b.ReportAllocs()
			for b.Loop() {
				for _, name := range t.round[:min(news, len(t.round))] {
					dir.Absent(name, "")
					announce(dir, name, "a", revisionOf(t.clusters[name].doc.seq, []byte(`{"settings":{"labels":{"env":"prod"}}}`)), "")
				}
				d.mu.Lock()
				if n, heard := d.work(t, dir, time.Now(), maxSends); n > 0 || !heard {
					b.Fatal(n, heard)
				}
				d.mu.Unlock()
			}
		})
	}
}
