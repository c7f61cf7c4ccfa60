package answer

import (
	"net/http"
	"slices"
	"testing"
)

// TestRefusalsNameTheirLock: every 401, 403 and 429 for a limit of the bridge
// names the lock that refused the request, in both forms; no other failure names one.
func TestRefusalsNameTheirLock(t *testing.T) {
	for _, k := range Kinds() {
		refusal := k.Status == http.StatusUnauthorized || k.Status == http.StatusForbidden || k == RateLimited
		if refusal != slices.Contains(Locks(), k.Lock) || !refusal && k.Lock != "" {
			t.Errorf("%s is a %d and its lock is %q", k.Code, k.Status, k.Lock)
		}
		f := Failf(k, "no")
		if got := f.Problem("id").Lock; got != string(k.Lock) {
			t.Errorf("%s: lock %q in the problem document, want %q", k.Code, got, k.Lock)
		}
		var got []StatusCause
		for _, c := range f.AsStatus("id").Details.Causes {
			if c.Reason == "lock" {
				got = append(got, c)
			}
		}
		var want []StatusCause
		if k.Lock != "" {
			want = []StatusCause{{Reason: "lock", Message: string(k.Lock), Field: "lock"}}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: causes %v in the Status, want %v", k.Code, got, want)
		}
	}
}
