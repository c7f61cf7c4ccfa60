package approval

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	dev   = &access.Caller{Name: "dev", Issuer: "idp", Method: access.MethodOIDC}
	other = &access.Caller{Name: "dev", Issuer: "another", Method: access.MethodOIDC} // another person
	lead  = &access.Caller{Name: "lead", Issuer: "idp", Method: access.MethodOIDC}
	prod  = subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}
	stage = subjects.ClusterRef{Tenant: "acme", Cluster: "stage"}
)

func open(t *testing.T, path string) *Desk {
	t.Helper()
	d, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func active(t *testing.T, d *Desk, c *access.Caller, grant string, ref subjects.ClusterRef) context.Context {
	t.Helper()
	ctx, err := d.Active(c, grant, ref)
	if err != nil {
		t.Error(err)
	}
	return ctx
}

func list(t *testing.T, d *Desk) []Request {
	t.Helper()
	all, err := d.List()
	if err != nil {
		t.Error(err)
	}
	return all
}

func ask(t *testing.T, d *Desk, c *access.Caller, duration time.Duration) Request {
	t.Helper()
	r, err := d.Ask(t.Context(), c, "admin", prod, "INC-42", duration)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func approve(t *testing.T, d *Desk, id string) Request {
	t.Helper()
	r, err := d.Decide(t.Context(), id, lead, true, "go on")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An approval holds for its caller, grant and cluster alone, until its end.
func TestApprovalHoldsUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, filepath.Join(t.TempDir(), "approvals.json"))
		r := ask(t, d, dev, time.Hour)
		if r.State != Pending || active(t, d, dev, "admin", prod) != nil {
			t.Fatalf("pending: %+v, active %v", r, active(t, d, dev, "admin", prod))
		}
		time.Sleep(time.Minute)
		r = approve(t, d, r.ID)
		if want := time.Now().Add(time.Hour); r.State != Approved || !r.Until.Equal(want) || r.DecidedBy.Name != "lead" {
			t.Errorf("approved: %+v", r)
		}
		now := active(t, d, dev, "admin", prod)
		if now == nil {
			t.Fatal("not active")
		}
		for what, ctx := range map[string]any{
			"another person of the same name": active(t, d, other, "admin", prod), "another grant": active(t, d, dev, "root", prod),
			"another cluster": active(t, d, dev, "admin", stage), "the approver": active(t, d, lead, "admin", prod),
		} {
			if fmt.Sprint(ctx) != "<nil>" {
				t.Errorf("%s has an approval", what)
			}
		}
		time.Sleep(time.Hour - time.Second)
		if now.Err() != nil || active(t, d, dev, "admin", prod) == nil {
			t.Error("ended too early")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r, _ := d.Get(r.ID); now.Err() == nil || active(t, d, dev, "admin", prod) != nil || r.State != Ended {
			t.Errorf("at its end: %v, %+v", now.Err(), r)
		}
	})
}

// The longest approval counts; when it is ended, a shorter one does.
func TestSeveralApprovals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, filepath.Join(t.TempDir(), "approvals.json"))
		short, long := ask(t, d, dev, time.Hour), ask(t, d, dev, 2*time.Hour)
		approve(t, d, short.ID)
		first := active(t, d, dev, "admin", prod)
		approve(t, d, long.ID)
		second := active(t, d, dev, "admin", prod)
		if first.Err() == nil || second == nil || second.Err() != nil {
			t.Error("what runs under the shorter one is not decided about again")
		}
		if _, err := d.End(t.Context(), long.ID, dev); err != nil {
			t.Fatal(err)
		}
		third := active(t, d, dev, "admin", prod)
		if until, _ := third.Deadline(); second.Err() == nil || !until.Equal(time.Now().Add(time.Hour)) {
			t.Errorf("after the longer one: until %v", until)
		}
		if _, err := d.End(t.Context(), short.ID, dev); err != nil || third.Err() == nil || active(t, d, dev, "admin", prod) != nil {
			t.Errorf("after both: %v", err)
		}
	})
}

// What was answered is on disk: another process finds it, and what was ended stays
// so.
func TestApprovalsSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "approvals.json")
	d := open(t, path)
	kept, ended, denied := ask(t, d, dev, time.Hour), ask(t, d, other, time.Hour), ask(t, d, other, time.Hour)
	approve(t, d, kept.ID)
	approve(t, d, ended.ID)
	if _, err := d.End(t.Context(), ended.ID, lead); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decide(t.Context(), denied.ID, lead, false, ""); err != nil {
		t.Fatal(err)
	}
	again := open(t, path) // as after kill -9: nothing was closed
	if active(t, again, dev, "admin", prod) == nil || active(t, again, other, "admin", prod) != nil {
		t.Error("another approval than before")
	}
	if r, _ := again.Get(ended.ID); r.DecidedBy.Name != "lead" || r.DecidedAt.After(r.EndedAt) || r.EndedBy.Name != "lead" || r.Note != "go on" {
		t.Errorf("ended: %+v", r)
	}
	for id, want := range map[string]State{kept.ID: Approved, ended.ID: Ended, denied.ID: Denied} {
		if r, err := again.Get(id); err != nil || r.State != want {
			t.Errorf("%s: %+v, %v, want %s", id, r, err, want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v", info, err)
	}
	for name, content := range map[string]string{"cut off": `{"version":1,"requests":[`, "of another version": `{"version":2}`} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if d, err := OpenFile(path); err == nil {
			d.Close()
			t.Errorf("a file that is %s is opened", name)
		}
	}
	if d, err := OpenFile(filepath.Join(path, "none", "approvals.json")); err == nil {
		d.Close()
		t.Error("a folder that does not exist is found only when somebody asks")
	}
}

// A change that cannot be written has not happened.
func TestStoreThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d := open(t, filepath.Join(dir, "approvals.json"))
	r := ask(t, d, dev, time.Hour)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Ask(t.Context(), dev, "admin", prod, "x", time.Hour); !errors.Is(err, ErrStore) {
		t.Errorf("asked: %v", err)
	}
	if _, err := d.Decide(t.Context(), r.ID, lead, true, ""); !errors.Is(err, ErrStore) || active(t, d, dev, "admin", prod) != nil {
		t.Errorf("approved: %v", err)
	}
	if got := list(t, d); len(got) != 1 || got[0].State != Pending {
		t.Errorf("kept %+v", got)
	}
}

func TestMistakes(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "approvals.json"))
	r := ask(t, d, dev, time.Hour)
	if _, err := d.Decide(t.Context(), r.ID, dev, true, ""); !errors.Is(err, ErrOwn) {
		t.Errorf("one's own: %v", err)
	}
	if _, err := d.Decide(t.Context(), "ar-none", lead, true, ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown: %v", err)
	}
	if _, err := d.Decide(t.Context(), r.ID, lead, true, "a\nb"); !errors.Is(err, ErrBad) {
		t.Errorf("a note of two lines: %v", err)
	}
	approve(t, d, r.ID)
	for _, to := range []bool{true, false} {
		if _, err := d.Decide(t.Context(), r.ID, lead, to, ""); !errors.Is(err, ErrDecided) {
			t.Errorf("twice: %v", err)
		}
	}
	for reason, duration := range map[string]time.Duration{
		"": time.Hour, "  ": time.Hour, "a\nb": time.Hour, strings.Repeat("x", MaxReason+1): time.Hour, "\xff": time.Hour,
		"short": time.Second, "long": MaxDuration + 1, "negative": -time.Hour,
	} {
		if _, err := d.Ask(t.Context(), dev, "admin", prod, reason, duration); !errors.Is(err, ErrBad) {
			t.Errorf("%q for %v: %v", reason, duration, err)
		}
	}
}

// Callers cannot make the bridge keep more than its bounds; what has ended makes room.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, filepath.Join(t.TempDir(), "approvals.json"))
		for range maxPending {
			ask(t, d, dev, time.Hour)
		}
		if _, err := d.Ask(t.Context(), dev, "admin", prod, "x", time.Hour); !errors.Is(err, ErrFull) {
			t.Errorf("the 11th pending: %v", err)
		}
		for i := range MaxKept - maxPending {
			r := Request{ID: fmt.Sprint(i), State: Approved, Until: time.Now().Add(time.Hour), Created: time.Now()}
			d.store.(*fileStore).requests[r.ID] = r
			d.Learn(r, "")
		}
		for range maxPending / 2 { // in the place of the other caller's, until both have as many
			ask(t, d, lead, time.Hour)
		}
		if _, err := d.Ask(t.Context(), lead, "admin", prod, "x", time.Hour); !errors.Is(err, ErrFull) {
			t.Errorf("more than are kept: %v", err)
		}
		time.Sleep(pendingFor)
		ask(t, d, lead, time.Hour) // in the place of one that has ended
		if n := len(d.requests); n != MaxKept {
			t.Errorf("%d kept", n)
		}
		time.Sleep(KeptFor + pendingFor)
		if got := list(t, d); len(got) != 1 {
			t.Errorf("%d listed in the end", len(got))
		}
	})
}

// A caller who asks and takes it back, again and again, is stopped.
func TestAskingAgainAndAgain(t *testing.T) {
	d, err := OpenFile(filepath.Join(t.TempDir(), "approvals.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ref := subjects.ClusterRef{Tenant: "default", Cluster: "prod"}
	c := &access.Caller{Name: "a", Method: access.MethodOIDC}
	for n := range maxPending + 1 {
		r, err := d.Ask(t.Context(), c, "g", ref, "why", time.Hour)
		if n == maxPending {
			if !errors.Is(err, ErrFull) {
				t.Errorf("request %d: %v, want %v", n+1, err, ErrFull)
			}
			break
		}
		if err == nil {
			_, err = d.End(t.Context(), r.ID, c)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Ask(t.Context(), &access.Caller{Name: "b", Method: access.MethodOIDC}, "g", ref, "why", time.Hour); err != nil {
		t.Errorf("another caller: %v", err)
	}
}

// What approvers read is what stands there: nothing that turns, hides or breaks a text.
func TestTextsAreWhatTheyLookLike(t *testing.T) {
	for text, want := range map[string]bool{
		"INC-42: 再起動 für den Käse, 100 % 🚀": true, "": true, "two  spaces": true,
		"\u202egnp.exe": false, "a\u2028b": false, "a\u2029b": false, "x\u200by": false, "\ufeffx": false, "a\u2066b\u2069": false,
		"soft\u00adhyphen": false, "tag\U000e0041": false, "a\x00b": false, "a\u0085b": false, "\xff": false,
	} {
		if got := plain(text); got != want {
			t.Errorf("%q: plain %t", text, got)
		}
	}
}
