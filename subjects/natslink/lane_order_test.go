package natslink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/lane"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/natsrun"
)

// TestOrderAsTheLaneOpens: what was given to nats.go before the lane was open is not overtaken
// by what goes by the lane.
func TestOrderAsTheLaneOpens(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	listener := connect(t, options(srv.ClientURL()))
	arrived := make(chan *nats.Msg, 1<<16)
	if _, err := listener.ChanSubscribe("numbers", arrived); err != nil {
		t.Fatal(err)
	}
	if err := listener.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		nc := dial(t, srv.ClientURL())
		b, err := NewBridge(nc, BridgeConfig{ID: "b1"})
		if err != nil {
			t.Fatal(err)
		}
		p, n := lane.NewPublisher(nc), uint32(0)
		for byLane := 0; byLane < 100; n++ { // until some have gone by the lane
			before := nc.Stats().OutMsgs
			if err := p.Publish("numbers", "", binary.BigEndian.AppendUint32(nil, n)); err != nil {
				t.Fatal(err)
			}
			if nc.Stats().OutMsgs == before {
				byLane++
			}
		}
		for i := range n {
			select {
			case m := <-arrived:
				if got := binary.BigEndian.Uint32(m.Data); got != i {
					t.Fatalf("of %d messages, %d came where %d was next", n, got, i)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("message %d of %d has not come", i, n)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		nc.Close()
	}
}

// TestSmallerMaxPayload: a message that is too large for this broker is refused, as nats.go
// refuses it. Sent, it would cost the connection.
func TestSmallerMaxPayload(t *testing.T) {
	srv := natsrun.Start(t, &server.Options{Host: "127.0.0.1", Port: freeport.For(t), NoSigs: true, NoLog: true, MaxPayload: 16 << 10})
	defer stopServer(srv)
	b, a, _ := start(t, srv.ClientURL(), echo)
	byLane(t, b, a, "at first")
	p := lane.NewPublisher(b.nc)
	if err := p.Publish("any", "", make([]byte, 20<<10)); !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("publish: %v", err)
	}
	if err := p.Publish("any", "", make([]byte, 16<<10)); err != nil {
		t.Errorf("publish the largest: %v", err)
	}
	if err := b.nc.Flush(); err != nil || b.nc.Stats().Reconnects > 0 {
		t.Errorf("the connection was lost: %v", err)
	}
}

// TestLaneAndWebSocketOfNatsGo: a dialer may leave WebSocket to nats.go. Frames do not go into
// the middle of it.
func TestLaneAndWebSocketOfNatsGo(t *testing.T) {
	o := &server.Options{Host: "127.0.0.1", Port: freeport.For(t), NoSigs: true, NoLog: true, MaxPayload: 8 << 20}
	o.Websocket.Host, o.Websocket.Port, o.Websocket.NoTLS = "127.0.0.1", freeport.For(t), true
	srv := natsrun.Start(t, o)
	defer stopServer(srv)
	b, a, _ := start(t, "ws://"+net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Websocket.Port)), echo)
	eventually.True(t, "both are there for a while", func() bool { return a.nc.Load().Flush() == nil && b.nc.Flush() == nil })
	for i := range 50 {
		if err := post(t.Context(), b, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := lane.NewPublisher(b.nc).Publish(subjects.Down("prod", "a1", "b1"), "", nil); err != nil {
		t.Error(err)
	}
	_ = b.nc.Flush()
	if a, b := a.nc.Load().Stats().Reconnects, b.nc.Stats().Reconnects; a+b > 0 {
		t.Errorf("the agent reconnected %d times and the bridge %d", a, b)
	}
}
