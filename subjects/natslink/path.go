package natslink

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// measureInterval is the time between two measurements of the round trip to the broker.
	measureInterval = 30 * time.Second
	// measureTimeout bounds one.
	measureTimeout = 5 * time.Second
)

// pathToBroker is what is known of an agent's connection. It is safe for concurrent use.
type pathToBroker struct {
	since atomic.Pointer[time.Time]
	rtt   atomic.Int64 // nanoseconds; 0: not measured
}

// connected notes a new connection.
func (p *pathToBroker) connected() {
	now := time.Now()
	p.since.Store(&now)
	p.rtt.Store(0)
}

// describe adds it to a detail, unless that is nil.
func (p *pathToBroker) describe(d *subjects.Detail, nc *nats.Conn) {
	if d == nil {
		return
	}
	d.Broker, d.RTT = nc.ConnectedServerName(), time.Duration(p.rtt.Load()).Microseconds()
	if since := p.since.Load(); since != nil {
		at := since.UTC()
		d.Connected = &at
	}
}

// onUp notes that the connection is back, and announces the instance.
func (a *Agent) onUp() {
	a.path.connected()
	a.arrived()
}

// measure measures the round trip to the broker from time to time.
func (a *Agent) measure() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a.wg.Go(func() { // ends a flush
		<-a.closing
		cancel()
	})
	t := time.NewTicker(measureInterval)
	defer t.Stop()
	for {
		a.measureOnce(ctx)
		select {
		case <-t.C:
		case <-a.unmeasured:
		case <-ctx.Done():
			return
		}
	}
}

func (a *Agent) measureOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	since := a.path.since.Load()
	began := time.Now()
	if a.nc.Load().FlushWithContext(ctx) != nil {
		return
	}
	if took := time.Since(began); a.path.since.Load() == since { // else it is another connection
		a.path.rtt.Store(int64(took))
	}
}
