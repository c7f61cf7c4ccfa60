package requestinfo

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// What is kept is what would be parsed, also where slots are shared and by several
// goroutines at once.
func TestKeptResults(t *testing.T) {
	m := newMemo()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 4 * memoSize {
				method, target := []string{"GET", "DELETE"}[i%2], fmt.Sprintf("/api/v1/namespaces/n%d/pods?watch=%d", i/2, i%3)
				want, err := parse(method, target)
				if err != nil {
					t.Error(err)
					return
				}
				if got := m.get(method, target); got != nil && *got != *want {
					t.Errorf("%s %s: kept %+v, want %+v", method, target, *got, *want)
				}
				m.put(method, target, want)
				if got := m.get(method, target); got != nil && *got != *want {
					t.Errorf("%s %s: kept %+v, want %+v", method, target, *got, *want)
				}
			}
		})
	}
	wg.Wait()
}

// What may hold a command line or what is behind a proxy does not stay in memory, nor
// does what is large.
func TestWhatIsNotKept(t *testing.T) {
	for target, want := range map[string]bool{
		"/api/v1/namespaces/a/pods/b":                               true,
		"/api/v1/namespaces/a/pods?watch=1":                         true,
		"/version":                                                  true,
		"/api/v1/namespaces/a/pods/b/exec?command=x":                false,
		"/api/v1/namespaces/a/services/b/proxy/x?y":                 false,
		"/api/v1/proxy/namespaces/a/services/b/x":                   false,
		"/api/v1/namespaces/a/pods/b?x=" + strings.Repeat("x", 512): false,
	} {
		for range 2 {
			if _, err := Parse("GET", target); err != nil {
				t.Fatal(err)
			}
		}
		if got := kept.get("GET", target) != nil; got != want {
			t.Errorf("%.60s: kept %v, want %v", target, got, want)
		}
		if kept.get("HEAD", target) != nil {
			t.Errorf("%.60s: kept for another method", target)
		}
	}
}
