package answer

import (
	"fmt"
	"net/http"
	"time"
)

// Units of a [Quota], as the registry of quota units has them
// (draft-ietf-httpapi-ratelimit-headers).
const (
	UnitRequests   = "requests" // within the window
	UnitConcurrent = "concurrent-requests"
)

// Quota is a limit that a request is over. It is written as the fields RateLimit and
// RateLimit-Policy, and as RateLimit-ResetTime, which GitLab's runner reads.
type Quota struct {
	// Policy names the limit, in lower-case letters and hyphens.
	Policy string
	// Amount is how much may be used within Window, or at the same time where the
	// unit is UnitConcurrent.
	Amount int64
	Unit   string
	Window time.Duration // rounded up to whole seconds; without meaning for UnitConcurrent
	// After is how long the caller should wait. It is rounded up to whole seconds.
	After time.Duration
}

// seconds is how many whole seconds the caller should wait, at least one.
func (q *Quota) seconds() int { return max(1, ceilSeconds(q.After)) }

func ceilSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// write writes the fields of the header other than Retry-After.
func (q *Quota) write(h http.Header, now time.Time) {
	wait := q.seconds()
	policy := fmt.Sprintf("%q;q=%d", q.Policy, q.Amount)
	if q.Unit == UnitRequests { // the default
		policy += fmt.Sprintf(";w=%d", max(1, ceilSeconds(q.Window)))
	} else {
		policy += fmt.Sprintf(";qu=%q", q.Unit)
	}
	h["Ratelimit-Policy"] = []string{policy}
	h["Ratelimit"] = []string{fmt.Sprintf("%q;r=0;t=%d", q.Policy, wait)}
	// Rounded up, as the date has no fractions.
	reset := now.Add(time.Duration(wait) * time.Second).Add(time.Second - 1).Truncate(time.Second)
	h["Ratelimit-Resettime"] = []string{reset.UTC().Format(http.TimeFormat)}
}
