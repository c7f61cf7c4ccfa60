package audit

import (
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// Bounds of [whos].
const (
	// whoSlots is how many are kept: the callers that are busy at the same time.
	whoSlots = 512
	// maxWho bounds the JSON of one that is kept, in bytes, and so what it refers to.
	maxWho = 4 << 10
	// whoKept is that one in so many is kept of those that are made, so that a bridge with
	// more callers than slots spends little on keeping them.
	whoKept = 8
)

// who is what events say about a caller, how it was authenticated, the grant, and as whom
// its requests are executed. It is the same for nearly all requests of a caller. It is
// never changed.
type who struct {
	user                  subjects.Identity
	method, issuer, grant string
	as                    *subjects.Identity
	json                  []byte
}

// is reports whether w is what an event about rec says.
func (w *who) is(rec *answer.Record) bool {
	return w.user.User == rec.Caller && w.grant == rec.Grant && w.method == rec.Method && w.issuer == rec.Issuer &&
		w.user.UID == rec.UID && slices.Equal(w.user.Groups, rec.Groups) && maps.EqualFunc(w.user.Extra, rec.Extra, slices.Equal) &&
		w.as.Equal(rec.As)
}

// whos keeps some of them. What is found is compared as a whole. It is safe for concurrent
// use.
type whos struct {
	seed maphash.Seed
	kept [whoSlots]atomic.Pointer[who]
}

func newWhos() *whos { return &whos{seed: maphash.MakeSeed()} }

// append appends what the event about rec says.
func (k *whos) append(e *encoder, rec *answer.Record) {
	slot := &k.kept[(maphash.String(k.seed, rec.Caller)^maphash.String(k.seed, rec.Grant))%whoSlots]
	w := slot.Load()
	if w != nil && w.is(rec) {
		e.b = append(e.b, w.json...)
		return
	}
	from, cut := len(e.b), e.cut
	e.cut = false
	e.who(rec)
	if n := len(e.b) - from; !e.cut && n > 0 && n <= maxWho && (w == nil || rand.IntN(whoKept) == 0) {
		slot.Store(&who{
			user:   subjects.Identity{User: rec.Caller, UID: rec.UID, Groups: rec.Groups, Extra: rec.Extra},
			method: rec.Method, issuer: rec.Issuer, grant: rec.Grant, as: rec.As, json: slices.Clone(e.b[from:]),
		})
	}
	e.cut = e.cut || cut
}

// who appends the same without [whos].
func (e *encoder) who(rec *answer.Record) {
	if rec.Caller != "" {
		e.user("user", &subjects.Identity{User: rec.Caller, UID: rec.UID, Groups: rec.Groups, Extra: rec.Extra})
		e.open("authentication")
		e.str("method", rec.Method)
		e.str("issuer", rec.Issuer)
		e.close()
	}
	e.str("grant", rec.Grant)
	if rec.As != nil {
		e.user("impersonatedUser", rec.As)
	}
}
