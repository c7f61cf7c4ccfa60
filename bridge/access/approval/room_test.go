package approval

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// crowd is a full desk: callers who each have n pending requests for a grant.
func crowd(grant string, n int) map[string]Request {
	all := map[string]Request{}
	for i := range MaxKept {
		c := Who{Name: fmt.Sprintf("bot-%d", i/n), Method: access.MethodOIDC}
		r := pending(c, grant, i)
		all[r.ID] = r
	}
	return all
}

var began = time.Now()

func pending(c Who, grant string, i int) Request {
	return Request{
		ID: fmt.Sprintf("%s-%s-%d", c.Name, grant, i), Caller: c, Grant: grant, State: Pending,
		Created: began.Add(time.Duration(i) * time.Millisecond), Until: began.Add(pendingFor),
	}
}

// take makes a request at a desk, and returns which one had to go.
func take(t *testing.T, all map[string]Request, r Request) string {
	t.Helper()
	gone, err := room(all, &r, began.Add(time.Hour))
	if err != nil {
		t.Fatalf("%s: %v", r.ID, err)
	}
	delete(all, gone)
	all[r.ID] = r
	return gone
}

// A hundred callers who fill the desk keep nobody else from asking, and cannot push out
// whoever has less than they.
func TestFewCallersCannotFillTheDesk(t *testing.T) {
	all := crowd("admin", maxPending)
	victim := Who{Name: "jane", Method: access.MethodOIDC}
	for i := range 3 {
		if gone := take(t, all, pending(victim, "admin", MaxKept+i)); gone == "" {
			t.Error("nobody's request went")
		}
	}
	for i := range 100 { // new ones of the attacker's
		r := pending(Who{Name: fmt.Sprintf("more-%d", i), Method: access.MethodOIDC}, "admin", 2*MaxKept+i)
		if gone := all[take(t, all, r)]; gone.Caller == victim {
			t.Fatal("one of the victim's went")
		}
	}
	left := 0
	for _, r := range all {
		if r.Caller == victim {
			left++
		}
	}
	if len(all) != MaxKept || left != 3 {
		t.Errorf("%d kept, of them %d of the victim's", len(all), left)
	}
	// Who has as many as anybody gets no more.
	bot := pending(Who{Name: "bot-99", Method: access.MethodOIDC}, "admin", 3*MaxKept)
	for _, r := range all {
		if r.Caller == bot.Caller {
			delete(all, r.ID) // there is room now
			break
		}
	}
	take(t, all, bot)
}

// However many callers a grant lets ask, those of another grant can.
func TestOneGrantCannotFillTheDesk(t *testing.T) {
	all := crowd("anybody", 1)
	for i := range 400 {
		r := pending(Who{Name: fmt.Sprintf("sre-%d", i), Method: access.MethodOIDC}, "admin", MaxKept+i)
		if gone := take(t, all, r); gone == "" || gone[:3] != "bot" {
			t.Fatalf("%q went", gone)
		}
	}
	// The newest went, and of the same grant nobody may push out others.
	if _, first := all["bot-0-anybody-0"]; !first {
		t.Error("an old request went before a new one")
	}
	late := pending(Who{Name: "late", Method: access.MethodOIDC}, "anybody", 3*MaxKept)
	if _, err := room(all, &late, began.Add(time.Hour)); !errors.Is(err, ErrFull) {
		t.Errorf("one more of many: %v", err)
	}
}

// What holds is never pushed out, and what has ended goes first.
func TestWhatGoesFirst(t *testing.T) {
	all := crowd("admin", maxPending)
	for id, r := range all {
		r.State = Approved
		all[id] = r
	}
	one := pending(Who{Name: "jane"}, "admin", MaxKept)
	if _, err := room(all, &one, began.Add(time.Hour)); !errors.Is(err, ErrFull) {
		t.Errorf("all are approved: %v", err)
	}
	ended := all["bot-7-admin-70"]
	ended.State = Ended
	all[ended.ID] = ended
	if gone := take(t, all, one); gone != ended.ID {
		t.Errorf("%q went", gone)
	}
}
