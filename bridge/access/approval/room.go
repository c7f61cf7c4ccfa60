package approval

import (
	"fmt"
	"slices"
	"time"
)

// room returns the request that must go for a new one, "" if none must, or why there is
// no room. What has ended goes first, the oldest first. Where all are open, a pending one
// goes of whoever has the most, so that nobody can keep others from asking.
func room(all map[string]Request, r *Request, now time.Time) (instead string, err error) {
	var oldest Request
	kept, frees := 0, []time.Time(nil) // when each of the caller's counts no more
	for _, other := range all {
		if other.Forgotten(now) {
			continue
		}
		kept++
		open := other.open(now)
		if until := other.counts(now); other.Caller == r.Caller && now.Before(until) {
			frees = append(frees, until)
		}
		if !open && (oldest.ID == "" || other.Created.Before(oldest.Created)) {
			oldest = other
		}
	}
	switch {
	case len(frees) >= maxPending:
		slices.SortFunc(frees, time.Time.Compare)
		return "", &FullError{
			Most: maxPending, Window: recentFor, After: frees[len(frees)-maxPending].Sub(now),
			err: fmt.Errorf("%w: %d of this caller are pending or were made in the last %v", ErrFull, len(frees), recentFor),
		}
	case kept < MaxKept:
		return "", nil
	case oldest.ID != "":
		return oldest.ID, nil
	}
	if id := yields(all, r, now); id != "" {
		return id, nil
	}
	return "", ErrFull
}

// counts returns until when a request counts as one of its caller's maxPending.
func (r Request) counts(now time.Time) time.Time {
	recent := r.Created.Add(recentFor)
	if r.at(now).State == Pending && r.Until.After(recent) {
		return r.Until
	}
	return recent
}

// yields returns the pending request that must go for r where all places are taken by
// open ones: of the grant with the most pending ones, and in it of the callers with the
// most, the newest. It is one whose grant, or caller, has still as many as r's
// afterwards; "" if there is none. So a grant that many may ask for cannot keep the
// callers of another one from asking, nor a caller with many requests one with few.
func yields(all map[string]Request, r *Request, now time.Time) string {
	byGrant, byCaller := map[string]int{}, map[string]map[Who]int{}
	for _, other := range all {
		if other.at(now).State != Pending {
			continue
		}
		byGrant[other.Grant]++
		if byCaller[other.Grant] == nil {
			byCaller[other.Grant] = map[Who]int{}
		}
		byCaller[other.Grant][other.Caller]++
	}
	grant, most := r.Grant, byGrant[r.Grant]+1
	for g, n := range byGrant {
		if n > most || n == most && grant != r.Grant && g < grant {
			grant, most = g, n
		}
	}
	most = 0
	for _, n := range byCaller[grant] {
		most = max(most, n)
	}
	if grant == r.Grant && most <= byCaller[grant][r.Caller]+1 {
		return ""
	}
	var newest Request
	for _, other := range all {
		if other.Grant == grant && byCaller[grant][other.Caller] == most && other.at(now).State == Pending && other.Created.After(newest.Created) {
			newest = other
		}
	}
	return newest.ID
}
