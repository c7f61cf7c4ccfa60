package broker

import (
	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"
)

// storeMetric is a metric of the node's part of the shared store.
type storeMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*server.JSInfo, streamStates) float64
}

func storeGauge(name, help string, value func(*server.JSInfo, streamStates) float64) storeMetric {
	return storeMetric{prometheus.NewDesc("fairlead_broker_store_"+name, help, nil, nil), prometheus.GaugeValue, value}
}

// storeMetrics are there only on nodes that have a store, while it runs.
var storeMetrics = []storeMetric{
	storeGauge("bytes", "Bytes of this node's part of the shared store.",
		func(i *server.JSInfo, _ streamStates) float64 { return float64(i.Store) }),
	storeGauge("reserved_bytes", "Bytes that the streams of this node's part of the shared store may take.",
		func(i *server.JSInfo, _ streamStates) float64 { return float64(i.ReservedStore) }),
	storeGauge("max_bytes", "Bytes that this node's part of the shared store may have.",
		func(i *server.JSInfo, _ streamStates) float64 { return float64(i.Config.MaxStore) }),
	storeGauge("streams", "Streams that this node keeps a copy of.",
		func(i *server.JSInfo, _ streamStates) float64 { return float64(i.Streams) }),
	storeGauge("streams_without_leader", "Streams that this node keeps and that have no leader: nothing can be written to them.",
		func(_ *server.JSInfo, s streamStates) float64 { return float64(len(s.leaderless)) }),
	storeGauge("copies_behind", "Copies on other nodes, of the streams that this node leads, that are behind or offline.",
		func(_ *server.JSInfo, s streamStates) float64 { return float64(s.behind) }),
	{
		prometheus.NewDesc("fairlead_broker_store_api_errors_total", "Requests about streams that failed on this node.", nil, nil),
		prometheus.CounterValue,
		func(i *server.JSInfo, _ streamStates) float64 { return float64(i.API.Errors) },
	},
}

var storeUpDesc = prometheus.NewDesc("fairlead_broker_store_up",
	"Whether the shared store can be used as this node sees it: it runs, and the nodes and each stream have a leader.", nil, nil)

func describeStore(ch chan<- *prometheus.Desc) {
	for _, m := range storeMetrics {
		ch <- m.desc
	}
	ch <- storeUpDesc
}

func (b *Broker) collectStore(ch chan<- prometheus.Metric) {
	if !b.store {
		return
	}
	up := 1.0
	if _, err := b.StoreStatus(); err != nil {
		up = 0
	}
	ch <- prometheus.MustNewConstMetric(storeUpDesc, prometheus.GaugeValue, up)
	info, err := b.server.Jsz(&server.JSzOptions{Streams: true})
	if err != nil || info.Disabled {
		return // the metric above says so
	}
	streams := b.streamsOf(info)
	for _, m := range storeMetrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(info, streams))
	}
}
