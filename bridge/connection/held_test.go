package connection

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/connection/resume"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestHold: a connection is kept for as long as it is attached, and for resume.Hold after that.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all table
		jane := owner{name: "jane"}
		h, made, f := all.get("a", jane, "/k8s/clusters/prod", true)
		if f != nil || !made {
			t.Fatal(f)
		}
		time.Sleep(24 * time.Hour)
		again, made, f := all.get("a", jane, "/k8s/clusters/prod", true)
		if f != nil || made || again != h {
			t.Fatalf("attached again: made %v, %v", made, f)
		}
		all.leave(h)
		time.Sleep(2 * resume.Hold) // the other attachment lasts
		all.leave(h)
		time.Sleep(resume.Hold - time.Second)
		if _, made, f := all.get("a", jane, "/k8s/clusters/prod", false); f != nil || made {
			t.Fatalf("within the hold: made %v, %v", made, f)
		}
		all.leave(h)
		time.Sleep(resume.Hold)
		synctest.Wait()
		if err := h.conn.Err(); !errors.Is(err, errHeld) || all.count() != 0 || len(all.owners) != 0 {
			t.Errorf("after the hold: %v, %d connections", err, all.count())
		}
		if _, _, f := all.get("a", jane, "/k8s/clusters/prod", false); f == nil || f.Kind != answer.UnknownConnection {
			t.Errorf("after the hold: %v", f)
		}
	})
}

// TestConnectionsAreBounded: by caller and in all, and what ends makes room.
func TestConnectionsAreBounded(t *testing.T) {
	var all table
	n := 0
	add := func(by owner) *answer.Failure {
		n++
		_, _, f := all.get(fmt.Sprint(n), by, "/p", true)
		return f
	}
	jane := owner{name: "jane"}
	for range maxOfCaller {
		if f := add(jane); f != nil {
			t.Fatal(f)
		}
	}
	if f := add(jane); f == nil || f.Kind != answer.RateLimited {
		t.Errorf("beyond the caller's limit: %v", f)
	}
	if f := add(owner{name: "jane", issuer: "other"}); f != nil {
		t.Errorf("another caller: %v", f)
	}
	first := all.conns["1"]
	first.conn.Fail(errors.New("over"))
	all.leave(first)
	if f := add(jane); f != nil {
		t.Errorf("after one has ended: %v", f)
	}
	for i := 0; all.count() < MaxConnections; i++ {
		if f := add(owner{name: fmt.Sprint(i)}); f != nil {
			t.Fatal(f)
		}
	}
	if f := add(owner{name: "late"}); f == nil || f.Kind != answer.RateLimited {
		t.Errorf("beyond the bridge's limit: %v", f)
	}
	all.close()
	if all.count() != 0 || len(all.owners) != 0 {
		t.Errorf("%d connections, %d owners after all ended", all.count(), len(all.owners))
	}
	if f := add(jane); f == nil || f.Kind != answer.Stopping {
		t.Errorf("at a bridge that stops: %v", f)
	}
}

// TestDrainedTable: what is there may be attached, and nothing begins.
func TestDrainedTable(t *testing.T) {
	var all table
	if _, _, f := all.get("a", owner{}, "/p", true); f != nil {
		t.Fatal(f)
	}
	all.drain()
	if _, _, f := all.get("b", owner{}, "/p", true); f == nil || f.Kind != answer.Stopping {
		t.Errorf("a new one: %v", f)
	}
	if _, _, f := all.get("a", owner{}, "/p", false); f != nil {
		t.Errorf("one that is there: %v", f)
	}
	all.close()
}
