package bucket

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/approval"
)

// places are where the bucket keeps requests, one each. The zero value must be forgotten
// once.
type places struct {
	all  [approval.MaxKept]place
	byID map[string]int
}

// place has the last request that was written there, whose version is the revision of
// that; 0: nothing was. Without an ID the place is free: what was written is no request.
type place struct{ request approval.Request }

func (p *places) forget() { *p = places{byID: make(map[string]int)} }

func key(i int) string { return strconv.Itoa(i) }

func index(key string) (i int, ok bool) {
	i, err := strconv.Atoi(key)
	return i, err == nil && i >= 0 && i < approval.MaxKept && strconv.Itoa(i) == key
}

// of returns the place of a request, and the revision that it must have: its own, that of
// the one in whose place it comes, one whose request ended long ago, or one that is free.
// Bridges look for it from different places on, so that they seldom meet.
func (p *places) of(r, instead approval.Request, now time.Time) (i int, revision uint64, err error) {
	before := r
	if instead.ID != "" {
		before = instead
	}
	if before.Version != 0 {
		i, ok := p.byID[before.ID]
		if !ok {
			return 0, 0, approval.ErrChanged // another request has its place
		}
		return i, before.Version, nil
	}
	i, ok := p.find(func(s *place) bool { return s.request.ID != "" && s.request.Forgotten(now) })
	if !ok {
		i, ok = p.find(func(s *place) bool { return s.request.ID == "" })
	}
	if !ok {
		return 0, 0, approval.ErrChanged // there was room when the change was decided about
	}
	return i, p.all[i].request.Version, nil
}

func (p *places) find(fits func(*place) bool) (i int, ok bool) {
	from := rand.IntN(len(p.all))
	for n := range p.all {
		if i = (from + n) % len(p.all); fits(&p.all[i]) {
			return i, true
		}
	}
	return 0, false
}

// set takes over a value, unless a later one is known, and returns the request that had
// the place before, "" for none.
func (p *places) set(i int, r approval.Request) (instead string, newer bool) {
	s := &p.all[i]
	if r.Version <= s.request.Version {
		return "", false
	}
	if s.request.ID != r.ID {
		instead = s.request.ID
		if at, ok := p.byID[instead]; ok && at == i {
			delete(p.byID, instead)
		}
	}
	s.request = r
	if r.ID != "" {
		p.byID[r.ID] = i
	}
	return instead, true
}
