package parts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
)

// The subjects of the bare link. Roles confine both ends to subjects of Fairlead's
// form, so the token for the instance says what is asked for.
const (
	bareBridge = "bbare"
	bareEcho   = "aecho"   // messages that are sent back
	bareBulk   = "abulk"   // downloads: worker (4 bytes), size (8)
	bareCredit = "acredit" // permission for bareBatch more chunks: worker
)

const (
	// bareChunk is the size of Fairlead's largest message.
	bareChunk = subjects.MaxMessage
	// Up to bareWindow chunks, 1 MiB, are in flight. The receiver permits
	// bareBatch at a time: without a bound the broker would cut the
	// connection.
	bareWindow = 32
	bareBatch  = 8
)

// asker is the requesting end of the bare link. All answers arrive on one permanent
// subscription, which is the cheapest way.
type asker struct {
	nc      *nats.Conn
	workers [maxWorkers]bareWorker
}

type bareWorker struct {
	done   chan struct{}
	left   atomic.Int64 // bytes of a download still to come
	chunks int          // since the last permission; only for the subscription's goroutine
	leave  [4]byte
}

func newAsker(nc *nats.Conn) (*asker, error) {
	a := &asker{nc: nc}
	for i := range a.workers {
		w := &a.workers[i]
		w.done = make(chan struct{}, 1)
		binary.BigEndian.PutUint32(w.leave[:], uint32(i))
	}
	if _, err := nc.Subscribe(subjects.BridgeFrames(bareBridge), a.receive); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return a, nc.FlushTimeout(answerTimeout)
}

func (a *asker) receive(m *nats.Msg) {
	if len(m.Data) < 4 {
		return
	}
	i := binary.BigEndian.Uint32(m.Data)
	if i >= maxWorkers {
		return
	}
	w := &a.workers[i]
	if left := w.left.Load(); left > 0 {
		if w.chunks++; w.chunks == bareBatch {
			w.chunks = 0
			_ = a.nc.Publish(subjects.Down(cluster, bareCredit, bareBridge), w.leave[:])
		}
		if w.left.Add(-int64(len(m.Data)-4)) > 0 {
			return
		}
		w.chunks = 0
	}
	select {
	case w.done <- struct{}{}:
	default: // no request waits for it
	}
}

// ask sends a message and waits until it is back.
func (a *asker) ask(worker int) error {
	message := make([]byte, messageSize)
	binary.BigEndian.PutUint32(message, uint32(worker))
	if err := a.nc.Publish(subjects.Down(cluster, bareEcho, bareBridge), message); err != nil {
		return err
	}
	return a.await(worker, answerTimeout)
}

// fetch asks for bytes and waits until they have arrived.
func (a *asker) fetch(worker int, bytes int64) error {
	a.workers[worker].left.Store(bytes)
	request := binary.BigEndian.AppendUint32(nil, uint32(worker))
	request = binary.BigEndian.AppendUint64(request, uint64(bytes))
	if err := a.nc.Publish(subjects.Down(cluster, bareBulk, bareBridge), request); err != nil {
		return err
	}
	return a.await(worker, answerTimeout+time.Duration(bytes>>20)*time.Second)
}

func (a *asker) await(worker int, limit time.Duration) error {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-a.workers[worker].done:
		return nil
	case <-t.C:
		return fmt.Errorf("no answer within %s", limit)
	}
}

// answerBare makes nc the other end of the bare link.
func answerBare(nc *nats.Conn) error {
	leave := make([]chan struct{}, maxWorkers)
	for i := range leave {
		leave[i] = make(chan struct{}, bareWindow)
	}
	handle := map[string]nats.MsgHandler{
		bareEcho: func(m *nats.Msg) { _ = nc.Publish(subjects.Up(bareBridge, cluster, bareEcho), m.Data) },
		bareBulk: func(m *nats.Msg) {
			if len(m.Data) != 12 {
				return
			}
			if i := binary.BigEndian.Uint32(m.Data); i < maxWorkers {
				go sendBare(nc, i, int64(binary.BigEndian.Uint64(m.Data[4:])), leave[i])
			}
		},
		bareCredit: func(m *nats.Msg) {
			if len(m.Data) == 4 {
				if i := binary.BigEndian.Uint32(m.Data); i < maxWorkers {
					leave[i] <- struct{}{} // never more than bareWindow are owed
				}
			}
		},
	}
	for instance, h := range handle {
		if _, err := nc.Subscribe(subjects.AgentFrames(cluster, instance), h); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return nc.FlushTimeout(answerTimeout)
}

// sendBare sends a download. It ends by itself if no permission arrives.
func sendBare(nc *nats.Conn, worker uint32, bytes int64, leave <-chan struct{}) {
	chunk := make([]byte, bareChunk)
	binary.BigEndian.PutUint32(chunk, worker)
	for len(leave) > 0 {
		<-leave // left over from the previous download
	}
	for room := bareWindow; bytes > 0; room-- {
		if room == 0 {
			if err := awaitLeave(leave); err != nil {
				return
			}
			room = bareBatch
		}
		n := min(bytes, bareChunk-4)
		if nc.Publish(subjects.Up(bareBridge, cluster, bareBulk), chunk[:4+n]) != nil {
			return
		}
		bytes -= n
	}
}

func awaitLeave(leave <-chan struct{}) error {
	t := time.NewTimer(answerTimeout)
	defer t.Stop()
	select {
	case <-leave:
		return nil
	case <-t.C:
		return errors.New("no permission to send")
	}
}
