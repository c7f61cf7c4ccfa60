package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	dev  = &access.Caller{Name: "dev", Issuer: "idp", Method: access.MethodOIDC}
	lead = &access.Caller{Name: "lead", Issuer: "idp", Method: access.MethodOIDC}
	prod = subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}
)

// desk is that of one bridge.
func desk(t *testing.T, b *storetest.Brokers, change func(*Bucket)) *approval.Desk {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	k := New(s, log)
	if change != nil {
		change(k)
	}
	d, err := approval.Open(k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	eventually.Within(t, 30*time.Second, "read", func() error {
		_, err := d.List()
		return err
	})
	return d
}

func ask(t *testing.T, d *approval.Desk, c *access.Caller) approval.Request {
	t.Helper()
	r, err := d.Ask(t.Context(), c, "admin", prod, "INC-42", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// state waits until a desk knows a request in a state.
func state(t *testing.T, d *approval.Desk, id string, want approval.State) {
	t.Helper()
	eventually.Within(t, 10*time.Second, "know", func() error {
		r, err := d.Get(id)
		if err == nil && r.State != want {
			err = fmt.Errorf("it is %s", r.State)
		}
		return err
	})
}

func active(t *testing.T, d *approval.Desk) context.Context {
	t.Helper()
	ctx, err := d.Active(dev, "admin", prod)
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// What is decided at one bridge counts at the other, and ends what runs there.
func TestTwoBridges(t *testing.T) {
	b := storetest.Start(t, 1)
	one, two := desk(t, b, nil), desk(t, b, nil)
	r := ask(t, one, dev)
	state(t, two, r.ID, approval.Pending)
	decided := time.Now()
	if _, err := two.Decide(t.Context(), r.ID, lead, true, "go on"); err != nil {
		t.Fatal(err)
	}
	state(t, one, r.ID, approval.Approved)
	took := time.Since(decided)
	ctx := active(t, one)
	if ctx == nil || active(t, two) == nil {
		t.Fatal("not active at both")
	}
	ended := time.Now()
	if _, err := two.End(t.Context(), r.ID, lead); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("what runs at the other bridge goes on")
	}
	t.Logf("an approval counts at the other bridge after %v, its end after %v", took, time.Since(ended))
	if active(t, one) != nil {
		t.Error("active after its end")
	}
	// A third bridge finds all of it.
	three := desk(t, b, nil)
	if got, err := three.Get(r.ID); err != nil || got.State != approval.Ended || got.EndedBy.Name != "lead" || got.Note != "go on" {
		t.Errorf("%+v, %v", got, err)
	}
}

// Of two decisions about one request at two bridges, one counts.
func TestDecisionsAtTheSameTime(t *testing.T) {
	b := storetest.Start(t, 1)
	desks := []*approval.Desk{desk(t, b, nil), desk(t, b, nil)}
	for i := range 20 {
		r := ask(t, desks[0], &access.Caller{Name: fmt.Sprint("dev-", i), Method: access.MethodOIDC})
		state(t, desks[1], r.ID, approval.Pending)
		errs := make([]error, 2)
		var both sync.WaitGroup
		for n, d := range desks {
			both.Go(func() { _, errs[n] = d.Decide(t.Context(), r.ID, lead, n == 0, "") })
		}
		both.Wait()
		want := approval.Approved
		if errs[0] != nil {
			want = approval.Denied
		}
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), approval.ErrDecided) {
			t.Fatalf("got %v", errs)
		}
		for _, d := range desks {
			state(t, d, r.ID, want)
		}
	}
}

// All places of the bucket are used, over several bridges, and no more.
func TestBoundOverBridges(t *testing.T) {
	b := storetest.Start(t, 1)
	desks := []*approval.Desk{desk(t, b, nil), desk(t, b, nil)}
	var both sync.WaitGroup
	for n, d := range desks {
		both.Go(func() {
			for i := range approval.MaxKept/2 + 20 {
				c := &access.Caller{Name: fmt.Sprintf("dev-%d-%d", n, i), Method: access.MethodOIDC}
				if _, err := d.Ask(t.Context(), c, "admin", prod, "x", time.Hour); err != nil && !errors.Is(err, approval.ErrFull) {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	for _, d := range append(desks, desk(t, b, nil)) {
		eventually.Within(t, 10*time.Second, "know all", func() error {
			if all, err := d.List(); err != nil || len(all) != approval.MaxKept {
				return fmt.Errorf("%d requests, %v", len(all), err)
			}
			return nil
		})
	}
	st, err := b.Admin(0).Stream(t.Context(), subjects.StoreApprovalsStream)
	if err != nil {
		t.Fatal(err)
	}
	if s := st.CachedInfo().State; s.Msgs != approval.MaxKept || s.Consumers != 0 {
		t.Errorf("the bucket has %d messages and %d consumers", s.Msgs, s.Consumers)
	}
}

// An approval that its store cannot confirm stops to count, and counts again when it can.
func TestApprovalThatCannotBeConfirmed(t *testing.T) {
	b := storetest.Start(t, 1)
	var k *Bucket
	d := desk(t, b, func(of *Bucket) { k = of })
	r := ask(t, d, dev)
	if _, err := d.Decide(t.Context(), r.ID, lead, true, ""); err != nil {
		t.Fatal(err)
	}
	running := active(t, d)
	b.Kill(0)
	k.mu.Lock() // not before: a busy machine may take longer than that to read it again
	k.confirm = time.Second
	k.mu.Unlock()
	select {
	case <-running.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("what runs under it goes on")
	}
	if _, err := d.Active(dev, "admin", prod); !errors.Is(err, approval.ErrStore) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	b.Run(0)
	eventually.Within(t, 30*time.Second, "count again", func() error {
		ctx, err := d.Active(dev, "admin", prod)
		if err == nil && (ctx == nil || ctx.Err() != nil) {
			err = errors.New("not active")
		}
		return err
	})
}

// A bucket that was removed has no approvals any more.
func TestBucketIsRemoved(t *testing.T) {
	b := storetest.Start(t, 1)
	d := desk(t, b, nil)
	r := ask(t, d, dev)
	if _, err := d.Decide(t.Context(), r.ID, lead, true, ""); err != nil {
		t.Fatal(err)
	}
	running := active(t, d)
	if err := b.Admin(0).DeleteStream(t.Context(), subjects.StoreApprovalsStream); err != nil {
		t.Fatal(err)
	}
	select {
	case <-running.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("what runs under it goes on")
	}
	eventually.Within(t, 10*time.Second, "take requests again", func() error {
		_, err := d.Ask(t.Context(), dev, "admin", prod, "x", time.Hour)
		return err
	})
	if _, err := d.Get(r.ID); !errors.Is(err, approval.ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

// Nothing acknowledged is lost when one of three brokers is killed; with two of them gone
// a change fails within its bound, and says why.
func TestBrokersAreKilled(t *testing.T) {
	b := storetest.Start(t, 3)
	one, two := desk(t, b, nil), desk(t, b, nil)
	var kept []string
	killed := false
	for i, deadline := 0, time.Now().Add(time.Minute); len(kept) < 40; i++ {
		switch {
		case i == 20:
			b.KillLeader(subjects.StoreApprovalsStream)
			killed = true
		case time.Now().After(deadline):
			t.Fatalf("only %d were taken", len(kept))
		}
		c := &access.Caller{Name: fmt.Sprint("dev-", i), Method: access.MethodOIDC}
		before := time.Now()
		r, err := one.Ask(t.Context(), c, "admin", prod, "x", time.Hour)
		if took := time.Since(before); took > 2*store.Timeout+time.Second {
			t.Errorf("it took %v", took)
		}
		if err == nil {
			r, err = one.Decide(t.Context(), r.ID, lead, true, "")
		}
		if err == nil {
			kept = append(kept, r.ID)
		} else if !killed || !errors.Is(err, approval.ErrStore) {
			t.Fatalf("request %d: %v", i, err)
		} else { // while the connection is lost it is refused at once
			time.Sleep(10 * time.Millisecond)
		}
	}
	for _, d := range []*approval.Desk{two, desk(t, b, nil)} {
		for _, id := range kept {
			state(t, d, id, approval.Approved)
		}
	}
	b.KillLeader(subjects.StoreApprovalsStream)
	eventually.Within(t, time.Minute, "tell the lost quorum", func() error {
		before := time.Now()
		_, err := two.End(t.Context(), kept[0], lead)
		if took := time.Since(before); took > 2*store.Timeout+time.Second {
			t.Errorf("it took %v", took)
		}
		switch {
		case err == nil || errors.Is(err, approval.ErrDecided):
			t.Fatalf("changed without a quorum: %v", err)
		case !errors.Is(err, approval.ErrStore):
			t.Fatalf("got %v", err)
		case strings.Contains(err.Error(), "no quorum"):
			return nil
		}
		return err
	})
}
