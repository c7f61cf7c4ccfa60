package subjects

import (
	"slices"
	"strings"
	"testing"
)

// TestStoreRole: role store may ask only for streams by their whole names, and for
// nothing that removes.
func TestStoreRole(t *testing.T) {
	streams := StoreStreams()
	for _, s := range StoreAllowPub() {
		api, isAPI := strings.CutPrefix(s, "$JS.API.")
		if !isAPI {
			continue
		}
		i := strings.LastIndexByte(api, '.')
		if !slices.Contains([]string{"STREAM.INFO", "STREAM.CREATE", "STREAM.MSG.GET"}, api[:i]) || !slices.Contains(streams, api[i+1:]) {
			t.Errorf("role store may publish to %s", s)
		}
	}
	if CheckName(StoreAccount) == nil {
		t.Errorf("a tenant may be called %s, like the account of the store", StoreAccount)
	}
}

// TestStoreSubjectsAreApart: the store's subjects are outside the tree of clusters.
func TestStoreSubjectsAreApart(t *testing.T) {
	for _, s := range slices.Concat(StoreAllowPub(), StoreAllowSub()) {
		if strings.HasPrefix(s, rootDown) || strings.HasPrefix(s, rootUp) || s == ">" || strings.HasPrefix(s, "*") {
			t.Errorf("role store has %s", s)
		}
	}
}
