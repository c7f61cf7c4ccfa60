package bucket

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/subjects"
)

// A value in each place that is no request keeps nobody from asking, and removes what was
// there, at a bridge that runs and at one that starts.
func TestPlacesWithoutRequests(t *testing.T) {
	b := storetest.Start(t, 1)
	d := desk(t, b, nil)
	r := ask(t, d, dev)
	if _, err := d.Decide(t.Context(), r.ID, lead, true, ""); err != nil {
		t.Fatal(err)
	}
	running := active(t, d)
	thief := b.As(0, "b-thief")
	for i := range approval.MaxKept {
		if _, err := thief.PublishAsync(subject(key(i)), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-thief.PublishAsyncComplete(): // what comes later would overwrite what is asked below
	case <-time.After(30 * time.Second):
		t.Fatal("the values are not stored")
	}
	select {
	case <-running.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("an approval that is kept nowhere goes on")
	}
	for _, d := range []*approval.Desk{d, desk(t, b, nil)} {
		if _, err := d.Get(r.ID); !errors.Is(err, approval.ErrUnknown) {
			t.Errorf("got %v", err)
		}
		asked := ask(t, d, dev)
		if got, err := d.Get(asked.ID); err != nil || got.State != approval.Pending {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// Where the stream is full an approval's end cannot be kept. What runs under it here ends
// all the same, and the error says both.
func TestEndThatIsNotKept(t *testing.T) {
	b := storetest.Start(t, 1)
	d := desk(t, b, nil)
	r := ask(t, d, dev)
	if _, err := d.Decide(t.Context(), r.ID, lead, true, ""); err != nil {
		t.Fatal(err)
	}
	running := active(t, d)
	thief := b.As(0, "b-thief")
	for _, size := range []int{60 << 10, 1 << 10, 16, 0} {
		for i := 0; ; i++ {
			if _, err := thief.Publish(t.Context(), fmt.Sprintf("$KV.%s.x%d-%d", subjects.StoreApprovals, size, i), make([]byte, size)); err != nil {
				break
			}
		}
	}
	_, err := d.End(t.Context(), r.ID, lead)
	if !errors.Is(err, approval.ErrStore) || !strings.Contains(err.Error(), "nothing was changed") || !strings.Contains(err.Error(), "was stopped") {
		t.Errorf("got %v", err)
	}
	if running.Err() == nil || active(t, d) != nil {
		t.Error("the approval goes on at this bridge")
	}
	d.Recheck()
	if active(t, d) != nil {
		t.Error("the approval counts again")
	}
}

// told counts what a bucket says about whether it knows what is kept.
type told int

func (*told) Learn(approval.Request, string) {}
func (*told) Forget()                        {}
func (n *told) Recheck()                     { *n++ }

// A bridge that reads for so long that what it knew is old does not confirm it, though
// nothing fails.
func TestLagIsDoubted(t *testing.T) {
	var n told
	b := New(nil, slog.New(slog.NewTextHandler(t.Output(), nil)))
	b.learner = &n
	b.settle(nil)
	if err := b.Err(); err != nil || n != 1 {
		t.Fatalf("%v, told %d times", err, n)
	}
	b.mu.Lock()
	b.read = time.Now().Add(-confirmFor - time.Second)
	b.mu.Unlock()
	b.tell()
	if err := b.Err(); err == nil || n != 2 {
		t.Errorf("%v, told %d times", err, n)
	}
}

// A request whose reason and note must be escaped is of the size that bounds it.
func TestSizeOfRequests(t *testing.T) {
	for _, c := range []string{"<", "&", `"`, `\`, "x"} {
		r := approval.Request{Reason: strings.Repeat(c, approval.MaxReason), Note: strings.Repeat(c, approval.MaxReason)}
		if data, err := approval.Encode(r); err != nil || len(data) > 8<<10 {
			t.Errorf("%q: %d bytes, %v", c, len(data), err)
		}
	}
	if data, err := approval.Encode(approval.Request{Reason: strings.Repeat("<", approval.MaxReason)}); err != nil || len(data) > 2<<10 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}
