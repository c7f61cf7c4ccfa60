package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/store"
)

const (
	// readAhead is how many values are asked for before the first is there. So many share a
	// write and a wake-up: on a busy machine those are what reading takes. They are few among
	// the 10,000 requests that brokers queue, of all bridges.
	readAhead = 256
	// readAgain is after how long without an answer what is missing is asked for again: the
	// stream's leader may be another one by now.
	readAgain = 2 * time.Second
)

// reader reads many values, each by its last message, over one subscription. One goroutine
// uses it, and closes it. What it holds beside what it has read is at most readAhead answers.
type reader struct {
	bucket  *Bucket
	nc      *nats.Conn
	inbox   string // of answers, before the number of the subject
	answers chan *nats.Msg
	sub     *nats.Subscription
	// again is readAgain, and silence store.Timeout.
	again, silence time.Duration
}

// newReader subscribes to answers. Something should be asked of the stream before the reader
// is used: then the brokers know of the subscription where the stream's leader is.
func (b *Bucket) newReader() (*reader, error) {
	r := &reader{bucket: b, nc: b.store.JetStream().Conn(), answers: make(chan *nats.Msg, 2*readAhead), again: readAgain, silence: store.Timeout}
	r.inbox = r.nc.NewInbox() + "."
	var err error
	if r.sub, err = r.nc.ChanSubscribe(r.inbox+"*", r.answers); err != nil {
		return nil, b.store.Explain(err)
	}
	return r, nil
}

func (r *reader) close() { _ = r.sub.Unsubscribe() } // an error: the connection was closed

// reading is where a read is.
type reading struct {
	*reader
	subjects []string
	asked    int          // so many, from the first
	missing  map[int]bool // of those that were asked
	entries  []Entry
}

// read returns the values of subjects that still have one. It fails where ctx ends, the
// connection is lost, a broker refuses it or the stream's leader says nothing for
// [store.Timeout].
func (r *reader) read(ctx context.Context, subjects []string) ([]Entry, error) {
	asking, release := r.bucket.store.AskingWithin(ctx, ListTimeout, r.bucket.ask("MSG.GET"))
	defer release()
	at := &reading{reader: r, subjects: subjects, missing: make(map[int]bool, readAhead), entries: make([]Entry, 0, len(subjects))}
	if err := at.run(asking); err != nil {
		return nil, r.bucket.failed(asking, "list", err)
	}
	return at.entries, nil
}

func (r *reading) run(ctx context.Context) error {
	again := time.NewTicker(r.again)
	defer again.Stop()
	for heard := time.Now(); ; {
		if err := r.askMore(); err != nil {
			return err
		}
		if len(r.missing) == 0 {
			return nil
		}
		select {
		case m := <-r.answers:
			if err := r.take(m); err != nil {
				return err
			}
			heard = time.Now()
		case <-again.C:
			switch silent := time.Since(heard); {
			case silent >= r.silence:
				return context.DeadlineExceeded
			case silent >= r.again:
				if err := r.askAgain(); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// askMore asks for as many as may be asked for.
func (r *reading) askMore() error {
	for ; len(r.missing) < readAhead && r.asked < len(r.subjects); r.asked++ {
		if err := r.ask(r.asked); err != nil {
			return err
		}
		r.missing[r.asked] = true
	}
	return nil
}

func (r *reading) askAgain() error {
	for i := range r.missing {
		if err := r.ask(i); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) ask(i int) error {
	request, err := json.Marshal(struct {
		Last string `json:"last_by_subj"`
	}{r.subjects[i]})
	if err != nil {
		return err
	}
	return r.nc.PublishRequest(r.bucket.ask("MSG.GET"), r.inbox+strconv.Itoa(i), request)
}

// take takes an answer. A second one to the same question, or one that is none, counts for
// nothing.
func (r *reading) take(m *nats.Msg) error {
	i, err := strconv.Atoi(strings.TrimPrefix(m.Subject, r.inbox))
	if err != nil || !r.missing[i] {
		return nil
	}
	if len(m.Data) == 0 {
		return nats.ErrNoResponders // nothing else is empty
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("an answer that cannot be read: %w", err)
	}
	got := answer.Message
	switch e := answer.Error; {
	case e != nil && e.ErrorCode == jetstream.JSErrCodeMessageNotFound: // its age has ended meanwhile
	case e != nil:
		return e
	case got == nil || got.Subject != r.subjects[i]:
		return errors.New("an answer without the value that was asked for")
	default:
		r.entries = append(r.entries, Entry{Key: strings.TrimPrefix(got.Subject, r.bucket.prefix), Value: got.Data, Revision: got.Sequence, Time: got.Time})
	}
	delete(r.missing, i)
	return nil
}
