package dockerconfig

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// kubelet are results of the kubelet's own code, package credentialprovider of Kubernetes
// v1.34.4: of which of the images it finds the credentials of each key, and what it reads in
// each entry.
type kubelet struct {
	Images  []string
	Keys    map[string][]string
	Entries []struct {
		Entry           json.RawMessage
		Rejected        bool // with the whole Secret
		Username, Token string
	}
}

func readKubelet(t *testing.T) *kubelet {
	t.Helper()
	b, err := os.ReadFile("testdata/kubelet.json")
	if err != nil {
		t.Fatal(err)
	}
	k := &kubelet{}
	if err := json.Unmarshal(b, k); err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKeysAreJudgedAsTheKubeletReadsThem: a key is fatal if and only if the kubelet does not use
// it for the images that it is meant for.
func TestKeysAreJudgedAsTheKubeletReadsThem(t *testing.T) {
	k := readKubelet(t)
	for key, images := range k.Keys {
		e := judgeKey(key)
		r, err := parseRegistry(key)
		switch {
		case err == errWebPage: // images of that name are nowhere
		case err != nil:
			if len(images) > 0 || !isFatal(e.Findings) || e.Registry != "" {
				t.Errorf("%s (%v) is judged %+v; the kubelet uses it for %v", key, err, e, images)
			}
		default:
			meant, known := k.Keys[r.Key()]
			if !known {
				t.Errorf("%s: nothing is known of %s", key, r.Key())
			}
			if len(meant) == 0 || slices.Equal(images, meant) == isFatal(e.Findings) {
				t.Errorf("%s is judged %+v; the kubelet uses it for %v, and %s for %v", key, e, images, r.Key(), meant)
			}
		}
	}
	if len(k.Keys) < 35 {
		t.Errorf("%d keys", len(k.Keys))
	}
}

// TestEntriesAreJudgedAsTheKubeletReadsThem: whether the kubelet finds credentials in an entry, and
// whether it rejects the Secret for it.
func TestEntriesAreJudgedAsTheKubeletReadsThem(t *testing.T) {
	k := readKubelet(t)
	rejects := []Finding{entryMalformed, authNotBase64, authDoubleEncoded, authNoColon}
	for _, e := range k.Entries {
		usable, found := judgeEntry(e.Entry)
		if usable != (e.Username != "" && e.Token != "") {
			t.Errorf("%s: usable is %v, but the kubelet reads %q and %q", e.Entry, usable, e.Username, e.Token)
		}
		if got := slices.ContainsFunc(found, func(f Finding) bool { return slices.Contains(rejects, f) }); got != e.Rejected {
			t.Errorf("%s: %v; the kubelet rejects it: %v", e.Entry, found, e.Rejected)
		}
		if !usable && !isFatal(found) {
			t.Errorf("%s is of no use, and only %v is wrong", e.Entry, found)
		}
	}
	if len(k.Entries) < 30 {
		t.Errorf("%d entries", len(k.Entries))
	}
}
