package broker

import (
	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"
)

// varzMetric is a metric that is one number of nats-server's.
type varzMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*server.Varz) float64
}

func gauge(name, help string, value func(*server.Varz) float64) varzMetric {
	return varzMetric{prometheus.NewDesc("fairlead_broker_"+name, help, nil, nil), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(*server.Varz) float64) varzMetric {
	return varzMetric{prometheus.NewDesc("fairlead_broker_"+name, help, nil, nil), prometheus.CounterValue, value}
}

// varzMetrics are all of this node, not of the cluster. What a scrape finds is
// of one moment.
var varzMetrics = []varzMetric{
	gauge("connections", "Client connections that are open: agents, bridges and the guard.",
		func(v *server.Varz) float64 { return float64(v.Connections) }),
	counter("connections_total", "Client connections since the start.",
		func(v *server.Varz) float64 { return float64(v.TotalConnections) }),
	gauge("subscriptions", "Subscriptions that this node knows of, those of other nodes' clients included.",
		func(v *server.Varz) float64 { return float64(v.Subscriptions) }),
	gauge("routes", "Route connections to other nodes; several belong to one node.",
		func(v *server.Varz) float64 { return float64(v.Routes) }),
	counter("client_in_messages_total", "Messages received from clients.",
		func(v *server.Varz) float64 { return float64(v.InClientMsgs) }),
	counter("client_in_bytes_total", "Payload bytes received from clients.",
		func(v *server.Varz) float64 { return float64(v.InClientBytes) }),
	counter("client_out_messages_total", "Messages sent to clients.",
		func(v *server.Varz) float64 { return float64(v.OutClientMsgs) }),
	counter("client_out_bytes_total", "Payload bytes sent to clients.",
		func(v *server.Varz) float64 { return float64(v.OutClientBytes) }),
	counter("in_messages_total", "Messages received from clients and other nodes.",
		func(v *server.Varz) float64 { return float64(v.InMsgs) }),
	counter("in_bytes_total", "Payload bytes received from clients and other nodes.",
		func(v *server.Varz) float64 { return float64(v.InBytes) }),
	counter("out_messages_total", "Messages sent to clients and other nodes.",
		func(v *server.Varz) float64 { return float64(v.OutMsgs) }),
	counter("out_bytes_total", "Payload bytes sent to clients and other nodes.",
		func(v *server.Varz) float64 { return float64(v.OutBytes) }),
	counter("slow_consumers_total", "Connections cut because they took too long to read.",
		func(v *server.Varz) float64 { return float64(v.SlowConsumers) }),
	counter("stale_connections_total", "Connections cut because they answered no ping.",
		func(v *server.Varz) float64 { return float64(v.StaleConnections) }),
	counter("stalled_publishers_total", "Times that a publisher was made to wait for a slow reader.",
		func(v *server.Varz) float64 { return float64(v.StalledClients) }),
	gauge("memory_bytes", "Resident memory of the process.",
		func(v *server.Varz) float64 { return float64(v.Mem) }),
	gauge("start_time_seconds", "When this node was started, in seconds since 1970.",
		func(v *server.Varz) float64 { return float64(v.Start.Unix()) }),
}

var (
	accountsDesc = prometheus.NewDesc("fairlead_broker_accounts",
		"Accounts that this node has loaded since its start, the system account and the empty global one included.", nil, nil)
	guardCutDesc = prometheus.NewDesc("fairlead_broker_guard_cut_total",
		"Users cut off because their name is not a DNS label: somebody makes credentials with invalid names.", nil, nil)
	guardUpDesc = prometheus.NewDesc("fairlead_broker_guard_up",
		"Whether the broker is notified of new connections, so that it can cut off users whose name is not a DNS label.", nil, nil)
	admittedDesc = prometheus.NewDesc("fairlead_broker_connects_admitted_total",
		"Connections of clients that were let through to the TLS handshake.", nil, nil)
	refusedDesc = prometheus.NewDesc("fairlead_broker_connects_refused_total",
		"Connections refused because too many came at once for the admission rate.", nil, nil)
	waitingDesc = prometheus.NewDesc("fairlead_broker_connects_waiting",
		"Connections that wait for their turn by the admission rate.", nil, nil)
	regionDesc = prometheus.NewDesc("fairlead_broker_region_connected",
		"Whether this node has its gateway connection to a region of --gateways.", []string{"region"}, nil)
	infoDesc = prometheus.NewDesc("fairlead_broker_info",
		"Always 1; the labels say which node this is.", []string{"node", "cluster", "nats_version"}, nil)
)

// Describe is part of [prometheus.Collector].
func (b *Broker) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range varzMetrics {
		ch <- m.desc
	}
	describeStore(ch)
	ch <- accountsDesc
	ch <- guardCutDesc
	ch <- guardUpDesc
	ch <- admittedDesc
	ch <- refusedDesc
	ch <- waitingDesc
	ch <- regionDesc
	ch <- infoDesc
}

// Collect is part of [prometheus.Collector].
func (b *Broker) Collect(ch chan<- prometheus.Metric) {
	v, err := b.server.Varz(nil)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(infoDesc, err)
		return
	}
	for _, m := range varzMetrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(v))
	}
	b.collectStore(ch)
	cut, up := 0.0, 0.0
	if b.guard != nil {
		cut = float64(b.guard.cut.Load())
		if b.guard.conn.IsConnected() {
			up = 1
		}
	}
	ch <- prometheus.MustNewConstMetric(accountsDesc, prometheus.GaugeValue, float64(b.server.NumLoadedAccounts()))
	ch <- prometheus.MustNewConstMetric(guardCutDesc, prometheus.CounterValue, cut)
	ch <- prometheus.MustNewConstMetric(guardUpDesc, prometheus.GaugeValue, up)
	ch <- prometheus.MustNewConstMetric(admittedDesc, prometheus.CounterValue, float64(b.admission.admitted.Load()))
	ch <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(b.admission.refused.Load()))
	ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(b.admission.waiting.Load()))
	connected, missing := b.Regions()
	for _, name := range connected {
		ch <- prometheus.MustNewConstMetric(regionDesc, prometheus.GaugeValue, 1, name)
	}
	for _, name := range missing {
		ch <- prometheus.MustNewConstMetric(regionDesc, prometheus.GaugeValue, 0, name)
	}
	ch <- prometheus.MustNewConstMetric(infoDesc, prometheus.GaugeValue, 1, v.Name, v.Cluster.Name, v.Version)
}
