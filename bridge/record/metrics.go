package record

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counts are those of all recorders that are made of one.
type counts struct {
	active                atomic.Int64
	kept, failed, refused atomic.Uint64
}

var (
	activeDesc = prometheus.NewDesc("fairlead_bridge_recordings_active", "Sessions that are being recorded.", nil, nil)
	totalDesc  = prometheus.NewDesc("fairlead_bridge_recordings_total",
		"Recordings by result: kept; failed, where the bridge had to end the session or could not complete its recording; refused, where none could begin and nothing was executed.",
		[]string{"result"}, nil)
)

// Describe implements [prometheus.Collector].
func (r *Recorder) Describe(to chan<- *prometheus.Desc) {
	to <- activeDesc
	to <- totalDesc
}

// Collect implements [prometheus.Collector]. What is counted is that of all recorders that
// [Recorder.With] has made of one.
func (r *Recorder) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(activeDesc, prometheus.GaugeValue, float64(r.counts.active.Load()))
	for result, n := range map[string]*atomic.Uint64{"kept": &r.counts.kept, "failed": &r.counts.failed, "refused": &r.counts.refused} {
		to <- prometheus.MustNewConstMetric(totalDesc, prometheus.CounterValue, float64(n.Load()), result)
	}
}
