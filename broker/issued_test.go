package broker

import (
	"context"
	"errors"
	"os"
	"testing"
)

// TestSignedElsewhere: after nsc has taken over, what it pushed is not replaced
// by a directory that knows nothing of it.
func TestSignedElsewhere(t *testing.T) {
	l := newLayout(t)
	nodes := startCluster(t, l, 2) // with resolver directories of their own
	pushed := func(push func(context.Context, string, string) ([]string, error), token string) error {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := push(ctx, nodes[0].ClientURL(), token)
		return err
	}
	if err := l.CheckOwn(""); err != nil {
		t.Fatal(err)
	}
	ours, err := l.AccountJWT("acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := pushed(l.Push, ours); err != nil {
		t.Fatalf("pushing what the brokers have: %v", err)
	}

	// What nsc does: the same account with a revocation, signed by the same key.
	taken := &Layout{dir: t.TempDir() + "/taken"}
	if err := os.CopyFS(taken.dir, os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	theirs, err := taken.RevokeUser("acme", userOf(t, agentCreds(t, l, "acme", "prod")))
	if err != nil {
		t.Fatal(err)
	}
	if err := pushed(taken.Push, theirs); err != nil {
		t.Fatal(err)
	}

	if err := pushed(l.Push, ours); !errors.Is(err, ErrSignedElsewhere) {
		t.Errorf("pushing over it: %v", err)
	}
	newer, err := l.RevokeUser("acme", userOf(t, agentCreds(t, l, "acme", "stage")))
	if err != nil {
		t.Fatal(err)
	}
	if err := pushed(l.Push, newer); !errors.Is(err, ErrSignedElsewhere) {
		t.Errorf("pushing a change over it: %v", err)
	}
	if err := pushed(l.PushOver, newer); err != nil {
		t.Errorf("pushing over it when told so: %v", err)
	}
	if err := pushed(l.Push, newer); err != nil {
		t.Errorf("pushing again: %v", err)
	}

	// A broker that runs on the directory itself has stored it there.
	write(t, l.accountFile(mustAccount(t, l, "acme")), theirs)
	for _, tenant := range []string{"acme", ""} {
		if err := l.CheckOwn(tenant); !errors.Is(err, ErrSignedElsewhere) {
			t.Errorf("tenant %q: %v", tenant, err)
		}
	}
	remove(t, l.issuedFile(mustAccount(t, l, "acme"))) // as an older version left it
	if err := l.CheckOwn(""); err != nil {
		t.Errorf("without a list: %v", err)
	}
}

// TestFirstChangeOfAnOlderDirectory: a directory from before the lists were kept
// revokes as any other, at its first change too.
func TestFirstChangeOfAnOlderDirectory(t *testing.T) {
	l := newLayout(t)
	nodes := startCluster(t, l, 1)
	account := mustAccount(t, l, "acme")
	remove(t, l.issuedFile(account))
	if _, err := os.Stat(l.issuedFile(account)); err == nil {
		t.Fatal("the list is still there")
	}
	revoked, err := l.RevokeUser("acme", userOf(t, agentCreds(t, l, "acme", "prod")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := l.Push(ctx, nodes[0].ClientURL(), revoked); err != nil {
		t.Errorf("the brokers have what this directory made: %v", err)
	}
}
