package kv

import (
	"fmt"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

// BenchmarkList: what a bridge that starts reads, of one broker and of three.
func BenchmarkList(b *testing.B) {
	const n = 10_000
	for _, brokers := range []int{1, 3} {
		b.Run(fmt.Sprint(brokers, " brokers"), func(b *testing.B) {
			all := storetest.Start(b, brokers)
			bucket := New(open(b, all), store.Inventory())
			if _, err := bucket.List(b.Context(), ""); err != nil { // makes the bucket
				b.Fatal(err)
			}
			writer := all.As(0, "b-writer")
			value := make([]byte, 600) // as a record of inventory
			for i := range value {
				value[i] = 'x'
			}
			for i := range n {
				if _, err := writer.PublishAsync(fmt.Sprintf("$KV.%s.acme.c%d", subjects.StoreInventory, i), value); err != nil {
					b.Fatal(err)
				}
				if i%1000 == 999 {
					<-writer.PublishAsyncComplete()
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if list, err := bucket.List(b.Context(), ""); err != nil || len(list) != n {
					b.Fatal(len(list), err)
				}
			}
		})
	}
}
