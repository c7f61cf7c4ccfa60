package approval

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// long is a caller with everything of the longest, as far as an issuer makes it.
func long(letter string) *access.Caller {
	name := func(prefix string, n int) string { return prefix + strings.Repeat(`"`, n-len(prefix)) }
	return &access.Caller{
		Name: name(letter, 1<<10), Issuer: strings.Repeat("i", 63), Method: access.MethodOIDC, Extra: map[string][]string{"owner": {name(letter+"o", maxName)}},
		Claims: map[string]any{"email": name(letter+"e", maxName), "preferred_username": name(letter+"p", maxName), "iss": "", "sub": name(letter+"s", maxName-1)},
	}
}

// The largest requests fit into what is kept of each, and as many of them as are kept into
// the file, which is read again.
func TestLargestRequestsFit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "approvals.json")
	d := open(t, path)
	text := strings.Repeat(`"`, MaxReason)
	r, err := d.Ask(t.Context(), long("a"), strings.Repeat("g", 63), prod, text, time.Hour)
	if err == nil {
		r, err = d.Decide(t.Context(), r.ID, long("b"), true, text)
	}
	if err == nil {
		r, err = d.End(t.Context(), r.ID, long("c"))
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := Encode(r)
	if err != nil || len(b) > maxRequest || len(b) < maxRequest*3/4 {
		t.Errorf("it takes %d bytes, want nearly %d: %v", len(b), maxRequest, err)
	}
	all := make([]Request, MaxKept)
	for i := range all {
		all[i] = r
	}
	if err := save(path, all); err != nil {
		t.Fatal(err)
	}
	if kept, err := load(path); err != nil || len(kept) != MaxKept || kept[0].Note != text {
		t.Errorf("%d requests are read: %v", len(kept), err)
	}
}

// A request that would be larger is refused, and what is kept stays.
func TestTooLargeRequestIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "approvals.json")
	d := open(t, path)
	r := ask(t, d, dev, time.Hour)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{strings.Repeat("x", maxWho), strings.Repeat("\x01", maxWho/6)} {
		endless := &access.Caller{Name: name, Method: access.MethodWebhook}
		_, asked := d.Ask(t.Context(), endless, "admin", prod, "x", time.Hour)
		_, decided := d.Decide(t.Context(), r.ID, endless, true, "")
		_, ended := d.End(t.Context(), r.ID, endless)
		for _, err := range []error{asked, decided, ended} {
			if !errors.Is(err, ErrBad) || !strings.Contains(err.Error(), "the user name of the caller takes more than") {
				t.Errorf("got %v", err)
			}
		}
	}
	if _, err := d.Ask(t.Context(), lead, strings.Repeat("g", maxRequest), prod, "x", time.Hour); !errors.Is(err, ErrBad) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("a request of more than %d bytes: %v", maxRequest, err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) || len(list(t, d)) != 1 {
		t.Errorf("what was kept has changed: %v", err)
	}
}

// A file that no bridge wrote is refused as it is.
func TestTooLargeFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "approvals.json")
	content := []byte(`{"version":1,"requests":[]}` + strings.Repeat(" ", maxFile))
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile(path); err == nil || !strings.Contains(err.Error(), path+": it has more than 15 MiB, which is the most that a bridge writes") {
		t.Errorf("got %v", err)
	}
	if err := Check(path); err == nil {
		t.Error("the check found nothing")
	}
	if after, err := os.ReadFile(path); err != nil || len(after) != len(content) {
		t.Errorf("the file has changed: %v", err)
	}
}
