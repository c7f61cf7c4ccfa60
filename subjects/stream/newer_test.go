package stream

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// newerLink makes what this version sends look as a newer release of the same
// protocol version may: hints in DATA frames, unknown flags of ACK entries,
// bytes behind a PING, something in byte 1, and frames of unknown types.
type newerLink struct{ w *wire }

func (l newerLink) Send(_ string, msg []byte) error {
	msg = append([]byte(nil), msg...)
	t, err := subjects.ParseType(msg)
	if err != nil {
		return err
	}
	switch t {
	case subjects.FrameData:
		msg[1] |= 0xf0
	case subjects.FrameAck:
		for i := 26; i < len(msg); i += 25 {
			msg[i] |= 0xf0
		}
		msg[1] = 0xff
	case subjects.FramePing, subjects.FramePong:
		msg = append(msg, "a field of the future"...)
		msg[1] = 0xff
	default:
		msg[1] = 0xff
	}
	for _, unknown := range []byte{0x17, 0x1f, 0x10} {
		if err := l.w.send(append([]byte{unknown}, msg[1:]...)); err != nil {
			return err
		}
	}
	return l.w.send(msg)
}

func (l newerLink) SendOpen(to string, _ uint64, msg []byte) error { return l.Send(to, msg) }

func TestPeerOneReleaseNewer(t *testing.T) {
	for _, newer := range []string{"bridge", "agent"} {
		t.Run(newer, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := faults{delay: time.Millisecond, drop: 0.02}
				p := &pair{down: newWire(f, 1), up: newWire(f, 2)}
				var down, up Link = wireLink{p.down}, wireLink{p.up}
				if newer == "bridge" {
					down = newerLink{p.down}
				} else {
					up = newerLink{p.up}
				}
				p.opener = New(Config{}, down)
				p.acceptor = New(Config{Handler: echo}, up)
				p.connect()
				defer p.close()
				var wg sync.WaitGroup
				for i, size := range []int{0, 10, 40_000, 1 << 20} {
					wg.Go(func() {
						if err := exchange(t, p.opener, noise(size, uint64(i))); err != nil {
							t.Errorf("%d bytes: %v", size, err)
						}
					})
				}
				wg.Wait()
				p.empty(t)
			})
		})
	}
}
