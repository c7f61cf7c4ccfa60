package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel/socket"
)

const (
	contentType = "text/event-stream"
	// maxKept is how much of a buffer a stream keeps, in bytes: one event at a time needs
	// less, and a page only while a client catches up.
	maxKept = 4 << 10
)

// minReturn and maxReturn are when clients come back after a stream has ended: each at a
// time of its own.
const (
	minReturn = 500 * time.Millisecond
	maxReturn = 5 * time.Second
)

// writer writes server-sent events. Its methods are for one goroutine.
type writer struct {
	body   *answer.Stream
	buffer bytes.Buffer
}

// open begins the response, and sends its head.
func open(w http.ResponseWriter, r *http.Request, rec *answer.Record, patience time.Duration) *writer {
	if patience == 0 {
		patience = answer.Patience
	}
	return &writer{body: answer.BeginStream(w, r, rec, contentType, patience)}
}

// cutAfter gives the client a moment for what is being written and the end of the stream,
// once one of the contexts has ended. stop must be called before the handler returns.
func (o *writer) cutAfter(all ...context.Context) (stop func()) {
	var stops []func() bool
	var running sync.WaitGroup
	for _, ctx := range all {
		running.Add(1)
		stops = append(stops, context.AfterFunc(ctx, func() {
			defer running.Done()
			o.body.Cut(socket.Linger)
		}))
	}
	return func() {
		for _, stop := range stops {
			if stop() {
				running.Done()
			}
		}
		running.Wait()
	}
}

// start says when to come back after the stream has ended.
func (o *writer) start() error {
	o.retry()
	return o.flush()
}

// retry writes a time of the client's own at which to come back.
func (o *writer) retry() {
	d := minReturn + rand.N(maxReturn-minReturn)
	fmt.Fprintf(&o.buffer, "retry: %d\n\n", d.Milliseconds())
}

// event writes an event. id and name are one line; id may be "". v must be of a type that
// can be encoded.
func (o *writer) event(id, name string, v any) {
	if id != "" {
		fmt.Fprintf(&o.buffer, "id: %s\n", id)
	}
	data, err := json.Marshal(v) // one line
	if err != nil {              // only our own types come here
		panic("bridge: encode an event: " + err.Error())
	}
	fmt.Fprintf(&o.buffer, "event: %s\ndata: %s\n\n", name, data)
}

// beat writes a comment, and the position at which the client is by now: a browser keeps
// the id of a block without data too.
func (o *writer) beat(at string) error {
	fmt.Fprintf(&o.buffer, ": heart-beat\nid: %s\n\n", at)
	return o.flush()
}

// last writes the end of the stream, instead of what was not sent yet, and ends the
// response.
func (o *writer) last(at string, v any) error {
	o.buffer.Reset()
	o.retry()
	o.event(at, "end", v)
	if err := o.flush(); err != nil {
		return err
	}
	return o.body.End()
}

// flush sends what was written.
func (o *writer) flush() error {
	if o.buffer.Len() == 0 {
		return nil
	}
	err := o.body.Write(o.buffer.Bytes())
	if o.buffer.Reset(); o.buffer.Cap() > maxKept {
		o.buffer = bytes.Buffer{}
	}
	return err
}
