package stream

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestForgottenPeer: a frame that arrives just when its peer is forgotten must
// not start a stream that is in no table.
func TestForgottenPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var executed atomic.Int32
		e, p, l := alone(t, Config{Handler: func(*Stream) { executed.Add(1) }})
		defer e.Close()
		time.Sleep(11 * time.Minute)
		if e.Peer("other") != nil {
			t.Fatal("the peer is not forgotten")
		}
		e.Receive(p, data(open|fin, 1, 0, "x"))
		synctest.Wait()
		if executed.Load() != 0 || e.Streams() != 0 {
			t.Error("a stream of a forgotten peer was accepted")
		}
		// A peer that confirmed this reset would not remember it.
		e.Receive(p, reset(2, subjects.CodeCanceled))
		if got := l.says(); got != "" {
			t.Errorf("a forgotten peer was answered %q", got)
		}
		e.Receive(e.AddPeer("other"), data(open|fin, 1, 0, "x"))
		synctest.Wait()
		if executed.Load() != 1 {
			t.Error("the peer met again is not served")
		}
	})
}

// TestNotForgottenWhileHeard: ids are remembered for ten minutes after the peer
// was last heard, not after its last stream ended: what was refused or reset
// just now must not be executed should a copy of its opening come.
func TestNotForgottenWhileHeard(t *testing.T) {
	for _, how := range []string{"refused", "reset before it opened"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var executed atomic.Int32
				e, p, _ := alone(t, Config{Handler: func(*Stream) { executed.Add(1) }})
				defer e.Close()
				time.Sleep(peerIdle - 100*time.Millisecond)
				if how == "refused" {
					e.Refuse(subjects.CodeDraining)
					e.Receive(p, data(open|fin, 7, 0, "post"))
					e.Refuse(0)
					e.Receive(p, ack(subjects.Ack{Stream: 7, Flags: subjects.AckClosed}))
				} else {
					e.Receive(p, reset(7, subjects.CodeCanceled))
				}
				time.Sleep(time.Minute)
				e.Receive(e.AddPeer("other"), data(open|fin, 7, 0, "post"))
				synctest.Wait()
				if executed.Load() != 0 {
					t.Errorf("executed after it was %s: its id was forgotten after a minute", how)
				}
				time.Sleep(peerIdle + time.Second)
				if e.Peer("other") != nil {
					t.Error("the peer is never forgotten")
				}
			})
		})
	}
}
