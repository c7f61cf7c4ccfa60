package bridge

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestPeersMakeNoSeries: neither the code of a reset nor the status of a
// response, both of which a cluster chooses, makes a new series unless the bridge
// knows it.
func TestPeersMakeNoSeries(t *testing.T) {
	t.Parallel()
	m, err := newMetrics(&Config{})
	if err != nil {
		t.Fatal(err)
	}
	for code := subjects.Code(1); code < 5000; code++ {
		m.observe("GET", &answer.Record{Status: 200, Aborted: &subjects.ResetError{Code: code, Remote: true}}, time.Millisecond)
	}
	for status := 100; status <= 999; status++ {
		m.observe("GET", &answer.Record{Status: status}, time.Millisecond)
	}
	if n, most := series(m.aborted), len(subjects.Codes())+1; n != most {
		t.Errorf("resets made %d series, want one for each code of this version and \"other\": %d", n, most)
	}
	if n := series(m.requests); n > 75 {
		t.Errorf("statuses made %d series, want those that HTTP defines and \"other\"", n)
	}
}

func series(c prometheus.Collector) (n int) {
	ch := make(chan prometheus.Metric)
	go func() {
		defer close(ch)
		c.Collect(ch)
	}()
	for range ch {
		n++
	}
	return n
}
