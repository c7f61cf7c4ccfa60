package dial

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of the time that a rate limit asks for.
const (
	// minWait is the least: dates have whole seconds, and may just be over.
	minWait = time.Second
	// maxWait is the most. A typing error in a proxy's configuration must not keep
	// an agent away for a day.
	maxWait = 15 * time.Minute
	// unreadableWait is for a time that cannot be read.
	unreadableWait = time.Minute
)

// Wait returns how long the server, or a proxy in front of it, asks to be left
// alone: from 1 s to 15 min. ok is false if it asks for nothing. That is so for
// other responses than 429 and 503, and for these two without RateLimit-ResetTime
// and Retry-After: 503 alone is a gateway's usual answer for a server that is down.
//
// A date counts from the response's own Date, since clocks differ, and from now if
// there is none. If neither header can be read, the time is a minute.
func (r *Refusal) Wait(now time.Time) (wait time.Duration, ok bool) {
	if r.Status != http.StatusTooManyRequests && r.Status != http.StatusServiceUnavailable {
		return 0, false
	}
	if r.RateLimitReset == "" && r.RetryAfter == "" {
		return 0, false
	}
	if theirs, ok := parseDate(r.Date); ok {
		now = theirs
	}
	wait = unreadableWait
	if reset, ok := parseDate(r.RateLimitReset); ok {
		wait = reset.Sub(now)
	} else if after, ok := parseRetryAfter(r.RetryAfter, now); ok {
		wait = after
	}
	return min(max(wait, minWait), maxWait), true
}

// parseRetryAfter reads seconds or a date.
func parseRetryAfter(s string, now time.Time) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if seconds, err := strconv.ParseUint(s, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	at, ok := parseDate(s)
	return at.Sub(now), ok
}

// parseDate reads a date of HTTP, or one of RFC 1123 with UTC or a numeric zone.
// Zones with other names are not unique.
func parseDate(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if utc, ok := strings.CutSuffix(s, " UTC"); ok {
		s = utc + " GMT"
	}
	if t, err := http.ParseTime(s); err == nil {
		return t, true
	}
	t, err := time.Parse(time.RFC1123Z, s)
	return t, err == nil
}
