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

type place struct {
	revision uint64           // of its last value; 0: it never had one
	request  approval.Request // that it has
}

func (p *places) forget() { *p = places{byID: make(map[string]int)} }

func key(i int) string { return strconv.Itoa(i) }

func index(key string) (i int, ok bool) {
	i, err := strconv.Atoi(key)
	return i, err == nil && i >= 0 && i < approval.MaxKept && strconv.Itoa(i) == key
}

// of returns the place of a request: its own, that of the one in whose place it comes, one
// whose request ended long ago, or one that is free. Bridges look for it from different
// places on, so that they seldom meet.
func (p *places) of(id, instead string, now time.Time) (i int, revision uint64, ok bool) {
	if i, ok = p.byID[id]; !ok {
		i, ok = p.byID[instead]
	}
	if !ok {
		i, ok = p.find(func(s *place) bool { return s.revision != 0 && s.request.Forgotten(now) })
	}
	if !ok {
		i, ok = p.find(func(s *place) bool { return s.revision == 0 })
	}
	return i, p.all[i].revision, ok
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
func (p *places) set(i int, revision uint64, r approval.Request) (instead string, newer bool) {
	s := &p.all[i]
	if revision <= s.revision {
		return "", false
	}
	if s.request.ID != r.ID {
		instead = s.request.ID
		if at, ok := p.byID[instead]; ok && at == i {
			delete(p.byID, instead)
		}
	}
	*s = place{revision: revision, request: r}
	p.byID[r.ID] = i
	return instead, true
}
