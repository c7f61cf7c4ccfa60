package access

import "testing"

func TestLease(t *testing.T) {
	l := NewLease()
	got := make(chan *Caller, 10)
	next := func(c *Caller) { got <- c }
	stopped := l.OnEnd(next)
	if !stopped() {
		t.Error("stopping what has not been called reports false")
	}
	l.OnEnd(next)
	after := &Caller{Name: "after"}
	l.End(after)
	l.End(nil) // too late
	l.OnEnd(next)
	for range 2 {
		if c := <-got; c != after {
			t.Errorf("the lease ended with %+v", c)
		}
	}
	if len(got) > 0 {
		t.Error("what was stopped was called")
	}
	if stop := (*Lease)(nil).OnEnd(next); !stop() {
		t.Error("no lease: stopping reports false")
	}
}
