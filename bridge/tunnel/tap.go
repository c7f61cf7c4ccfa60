package tunnel

import (
	"context"
	"fmt"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// Tap sees the bytes of an upgraded connection before they go on, and may end it. It
// does not change bytes. Its methods are called by two goroutines, one for each
// direction.
type Tap interface {
	// Sent is called before the request goes to an agent: from then on it may be
	// executed.
	Sent()
	// NotSwitched is called when a request has ended whose connection did not switch
	// protocols. unknown is nil if no session was begun: the request did not reach the
	// API server, or was answered as a whole with another status. Otherwise it is why
	// the outcome is not known.
	NotSwitched(unknown error)
	// Switched is called with the header of the 101, before the client has it. After
	// an error it does not get it.
	Switched(protocol string, header http.Header) error
	// FromClient and ToClient are called with all bytes of a direction. After an
	// error they do not go on, except for the first n of them, and the connection
	// ends.
	FromClient(b []byte) error
	ToClient(b []byte) (n int, err error)
	// Failed ends when the connection must end, with the reason as its cause. It has
	// ended when one of the methods above has returned an error.
	Failed() context.Context
	// Farewell returns bytes that tell the client why its session ends, in the
	// protocol that it speaks; nil: there are none.
	Farewell(reason string) []byte
}

// tap shows the beginning of an upgraded connection to the tap, if there is one.
func (rl *relay) tap(head *subjects.ResponseHead) error {
	if rl.to.Tap == nil {
		return nil
	}
	err := rl.to.Tap.Switched(head.Header["Upgrade"][0], head.Header) // checkUpgrade has seen it
	if err == nil {
		_, err = rl.to.Tap.ToClient(rl.x.rest)
	}
	if err == nil {
		return nil
	}
	rl.x.st.Reset(subjects.CodeCanceled, err.Error())
	return answer.Failf(answer.RecordingUnavailable, "%w%s", err, outcomeUnknown)
}

// notSwitched tells the tap how a request ended that was not upgraded.
func (rl *relay) notSwitched() {
	switch {
	case rl.to.Tap == nil || rl.rec.Status == http.StatusSwitchingProtocols:
	case !rl.x.sent:
		rl.to.Tap.NotSwitched(nil)
	case rl.rec.Failure != nil:
		rl.to.Tap.NotSwitched(rl.rec.Failure)
	default: // nil: the client has the whole answer
		rl.to.Tap.NotSwitched(rl.rec.Aborted)
	}
}

// follow makes a failure of the tap end the connection, until stop is called.
func (d *duplex) follow() (stop func() bool) {
	if d.tap == nil {
		return func() bool { return true }
	}
	failed := d.tap.Failed()
	return context.AfterFunc(failed, func() { d.dismiss(context.Cause(failed)) })
}

// show shows bytes of the client to those who follow them.
func (d *duplex) show(b []byte) error {
	if d.frames != nil {
		d.frames.FromClient(b)
	}
	if d.tap == nil || len(b) == 0 {
		return nil
	}
	err := d.tap.FromClient(b)
	if err != nil {
		d.dismiss(err)
	}
	return err
}

// dismiss ends the connection because the tap has failed. It may be called more than
// once, and from any goroutine.
func (d *duplex) dismiss(cause error) {
	d.mu.Lock()
	again := d.dismissed != nil
	if !again {
		d.dismissed = cause
	}
	d.mu.Unlock()
	if !again {
		d.cut(cause)
	}
}

// let waits until bytes of the API server may go on, and returns those that may. After
// an error these are the last ones.
func (d *duplex) let(ctx context.Context, b []byte) ([]byte, error) {
	if err := d.usage.Take(ctx, len(b)); err != nil {
		<-d.st.Context().Done() // cut ends it, and says how the connection ends
		return nil, err
	}
	if d.tap == nil {
		return b, nil
	}
	n, err := d.tap.ToClient(b)
	if err != nil {
		d.dismiss(err)
	}
	return b[:n], err
}

// sayFarewell writes the last bytes of a connection that was dismissed, and ends it in
// order if the client can be told why.
func (d *duplex) sayFarewell(last []byte) (n int64, err error) {
	m, err := d.conn.Write(last)
	if err != nil {
		return int64(m), fmt.Errorf("%w: write: %w", errClient, err)
	}
	cause := d.wasDismissed()
	if b := d.tap.Farewell(cause.Error()); b != nil {
		return int64(m), d.close(b, 0)
	}
	return int64(m), cause
}

func (d *duplex) wasDismissed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dismissed
}
