package audit

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/audit/audittest"
	"github.com/fairlead-io/fairlead/subjects"
)

// Whatever was kept of events before, an event says what its own record does.
func TestWhoIsNeverAnother(t *testing.T) {
	base := answer.Record{
		Caller: "jane", UID: "7", Groups: []string{"a", "b"}, Extra: map[string][]string{"k": {"v"}},
		Method: "oidc", Issuer: "ci", Grant: "g", As: &subjects.Identity{User: "u", Groups: []string{"x"}, Extra: map[string][]string{"k": {"v"}}},
	}
	as := func(change func(*subjects.Identity)) func(*answer.Record) {
		return func(r *answer.Record) {
			id := *r.As
			change(&id)
			r.As = &id
		}
	}
	changes := []func(*answer.Record){
		func(*answer.Record) {},
		func(r *answer.Record) { r.UID = "8" },
		func(r *answer.Record) { r.UID = "" },
		func(r *answer.Record) { r.Groups = []string{"a", "c"} },
		func(r *answer.Record) { r.Groups = r.Groups[:1] },
		func(r *answer.Record) { r.Groups = nil },
		func(r *answer.Record) { r.Extra = map[string][]string{"k": {"w"}} },
		func(r *answer.Record) { r.Extra = map[string][]string{"l": {"v"}} },
		func(r *answer.Record) { r.Extra = nil },
		func(r *answer.Record) { r.Method = "token" },
		func(r *answer.Record) { r.Issuer = "" },
		func(r *answer.Record) { r.Grant = "" },
		func(r *answer.Record) { r.Grant = "h" },
		func(r *answer.Record) { r.Caller = "" },
		func(r *answer.Record) { r.Caller = "joe" },
		func(r *answer.Record) { r.As = nil },
		as(func(id *subjects.Identity) { id.User = "root" }),
		as(func(id *subjects.Identity) { id.UID = "0" }),
		as(func(id *subjects.Identity) { id.Groups = []string{"system:masters"} }),
		as(func(id *subjects.Identity) { id.Extra = map[string][]string{"k": {"w"}} }),
		func(r *answer.Record) { r.Groups = slices.Repeat([]string{"many"}, 2*maxList) },            // shortened
		func(r *answer.Record) { r.Groups = []string{strings.Repeat("x", 2*maxText)} },              // likewise
		func(r *answer.Record) { r.Groups = slices.Repeat([]string{strings.Repeat("y", 300)}, 32) }, // not kept
	}
	kept := newWhos()
	for range 50 {
		for i, change := range changes {
			rec := base
			rec.Groups, rec.Extra = slices.Clone(base.Groups), maps.Clone(base.Extra)
			change(&rec)
			want, got := encoder{b: []byte("{")}, encoder{b: []byte("{")}
			want.who(&rec)
			kept.append(&got, &rec)
			if !bytes.Equal(want.b, got.b) || want.cut != got.cut {
				t.Fatalf("change %d:\n%s, shortened %v, want\n%s, shortened %v", i, got.b, got.cut, want.b, want.cut)
			}
		}
	}
}

// What is kept has a bound, and nothing is allocated for what is there.
func TestWhosAreBounded(t *testing.T) {
	kept := newWhos()
	rec := answer.Record{Method: "token"}
	for i := range 20 * whoSlots {
		rec.Caller = fmt.Sprint(i)
		kept.append(&encoder{b: []byte("{")}, &rec)
	}
	held := 0
	for i := range kept.kept {
		if kept.kept[i].Load() != nil {
			held++
		}
	}
	if held < whoSlots/2 {
		t.Errorf("%d of %d slots are used", held, whoSlots)
	}
	rec = *execRequest().rec
	b := make([]byte, 0, 4<<10)
	e := encoder{}
	once := func() { e.b = append(b[:0], '{'); kept.append(&e, &rec) }
	for range 100 {
		once()
	}
	if n := testing.AllocsPerRun(100, once); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The word-wise search for what must be escaped finds what one byte after the other does.
func TestPlainLen(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			s := strings.Repeat("a", at) + string([]byte{byte(c)}) + "bcdefghijk"
			want := 0
			for want < len(s) && plain[s[want]] {
				want++
			}
			if got := plainLen(s); got != want {
				t.Fatalf("byte %#x at %d: %d, want %d", c, at, got, want)
			}
		}
	}
}

// A request that has ended is used again for another, of which it says nothing.
func TestEndedRequestsAreUsedAgain(t *testing.T) {
	l := &Log{whos: newWhos()}
	q := execRequest()
	a := l.Follow(q.r, q.rec)
	before := a.request.id
	a.End()
	if q.rec.Trail != nil {
		t.Error("the record still has its trail")
	}
	rec := &answer.Record{Start: time.Now()}
	r := q.r.Clone(t.Context())
	r.Header = nil
	followed := l.Follow(r, rec)
	defer followed.End()
	b := followed.request
	if b.id == before || b.userAgent != "" || b.upgrade || b.rec != rec || b.r != r {
		t.Errorf("%+v", b)
	}
}

// A request ends once. A later End, even while others are followed, is not taken for theirs.
func TestSecondEnd(t *testing.T) {
	out := &memory{}
	l, err := NewLog(Config{Required: true}, []Output{{"memory", out}}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	const handlers, each = 4, 200
	var wg sync.WaitGroup
	for range handlers {
		wg.Go(func() {
			for range each {
				q := execRequest()
				f := l.Follow(q.r, q.rec)
				for range 2 {
					wg.Go(f.End)
				}
				next := execRequest()
				g := l.Follow(next.r, next.rec)
				f.End()
				if next.rec.Trail != g.request {
					t.Error("the end of another request ended this one")
				}
				g.End()
				g.End()
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(audittest.Events(t, out.String())); n != 2*handlers*each {
		t.Errorf("%d events of %d requests", n, 2*handlers*each)
	}
}
