package token

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// tokensOf writes a file of tokens, in one step.
func tokensOf(t *testing.T, path string, callers map[string]struct{ name, pattern string }) {
	t.Helper()
	content := "tokens:\n"
	for hash, c := range callers {
		entry, err := Entry(c.name, hash, []string{c.pattern})
		if err != nil {
			t.Fatal(err)
		}
		content += entry
	}
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// A lease ends with what becomes of its token, without a request that would
// make the file be looked at; the callers that stay what they were keep theirs.
func TestRunEndsLeases(t *testing.T) {
	type line = struct{ name, pattern string }
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	var plain, hash [4]string
	for i := range plain {
		plain[i], hash[i] = New()
	}
	tokensOf(t, path, map[string]line{
		hash[0]: {"stays", "*"}, hash[1]: {"goes", "*"}, hash[2]: {"narrows", "*"}, hash[3]: {"old-name", "*"},
	})
	tokens, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- tokens.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	var before [4]*access.Caller
	ended := [4]chan *access.Caller{}
	for i := range plain {
		c, err := tokens.Authenticate(request("Authorization", "Bearer "+plain[i]))
		if err != nil {
			t.Fatal(err)
		}
		before[i], ended[i] = c, make(chan *access.Caller, 1)
		defer c.Lease.OnEnd(func(next *access.Caller) { ended[i] <- next })()
	}
	tokensOf(t, path, map[string]line{hash[0]: {"stays", "*"}, hash[2]: {"narrows", "prod"}, hash[3]: {"new-name", "*"}})
	for i, want := range map[int]string{1: "", 2: "narrows", 3: "new-name"} {
		select {
		case next := <-ended[i]:
			switch {
			case want == "" && next != nil, want != "" && next == nil, next != nil && next.Name != want:
				t.Errorf("the lease of %s ended with %+v, want %q", before[i].Name, next, want)
			}
			// The lease ends just before the token's next caller is given out.
			eventually.Nil(t, "the token's next caller", func() error {
				if now, _ := tokens.Authenticate(request("Authorization", "Bearer "+plain[i])); now != next {
					return fmt.Errorf("who was %s is %+v now, the lease says %+v", before[i].Name, now, next)
				}
				return nil
			})
		case <-time.After(5 * time.Second):
			t.Fatalf("the lease of %s has not ended", before[i].Name)
		}
	}
	if now, err := tokens.Authenticate(request("Authorization", "Bearer "+plain[0])); err != nil || now != before[0] || len(ended[0]) > 0 {
		t.Errorf("who was not changed is %+v, %v", now, err)
	}
	// A file that cannot be used changes nothing, not even for those who were
	// the same across it.
	if err := os.WriteFile(path, []byte("tokens: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	if now, _ := tokens.Authenticate(request("Authorization", "Bearer "+plain[0])); now != before[0] {
		t.Error("a bad file made a new caller")
	}
	tokensOf(t, path, nil)
	select {
	case next := <-ended[0]:
		if next != nil {
			t.Errorf("the last lease ended with %+v", next)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the last lease has not ended")
	}
}
