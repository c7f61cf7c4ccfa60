package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// oldDirectory is one that init made before there was an account for what bridges share.
func oldDirectory(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fairlead")
	mustCall(t, "init", "--dir", dir)
	l := keys.At(dir)
	account, _, err := l.Platform()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{l.AccountFile(account), l.PlatformKeyFile(), l.StoreKeyFile(), l.StewardKeyFile(), l.StoreAccountFile(), l.StoreDir()} {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestStoreAdd: a broker that runs from an old directory goes on, learns of the account,
// and has a store once it is started with a directory for it.
func TestStoreAdd(t *testing.T) {
	dir := oldDirectory(t)
	if out := mustCall(t, "check", "--dir", dir); out != "no faults found in 2 accounts, 0 users\n" {
		t.Errorf("check says %q", out)
	}
	if code, _, stderr := call("store", "add"); code != daemon.ExitUsage || !strings.Contains(stderr, "--dir") {
		t.Errorf("without --dir: exit %d, %q", code, stderr)
	}
	if code, _, stderr := call("store", "user", "--dir", dir, "--name", "alice"); code != daemon.ExitFailure || !strings.Contains(stderr, "'fairlead-broker store add' makes one") {
		t.Errorf("a user before there is an account: exit %d, %q", code, stderr)
	}
	clients, stop := runBroker(t, dir)
	if code, _, stderr := call("store", "add", "--dir", dir, "--server", "tls://127.0.0.1:1"); code != daemon.ExitFailure || !strings.Contains(stderr, "no broker was notified") {
		t.Errorf("without a broker: exit %d, %q", code, stderr)
	}
	out := mustCall(t, "store", "add", "--dir", dir, "--server", "tls://"+clients)
	for _, want := range []string{"store-account: A", "store-key: keys/store.nk", "store-dir: store", "Pushed to "} {
		if !strings.Contains(out, want) {
			t.Errorf("store add does not say %q:\n%s", want, out)
		}
	}
	if again := mustCall(t, "store", "add", "--dir", dir, "--no-push"); !strings.Contains(again, "Not pushed") || again[:60] != out[:60] {
		t.Errorf("store add again says\n%s", again)
	}
	if out := mustCall(t, "push", "--dir", dir, "--server", "tls://"+clients); !strings.Contains(out, "Pushed the account of the platform") {
		t.Errorf("push says %q", out)
	}
	for name, want := range map[string]int{"alice": daemon.ExitOK, "*": daemon.ExitUsage, "": daemon.ExitUsage} {
		if code, out, stderr := call("store", "user", "--dir", dir, "--name", name); code != want || want == daemon.ExitOK && !strings.Contains(out, "BEGIN NATS USER JWT") {
			t.Errorf("user %q: exit %d, %q%q", name, code, out, stderr)
		}
	}
	stop()

	_, stop = runBroker(t, dir, "--store-dir", filepath.Join(dir, "store"))
	stop()
	if _, err := os.Stat(filepath.Join(dir, "store", "jetstream")); err != nil {
		t.Errorf("a broker with --store-dir: %v", err)
	}
}

// runBroker runs a broker until stop is called.
func runBroker(t *testing.T, dir string, args ...string) (clients string, stop func()) {
	t.Helper()
	clients, ops := freeport.AddressFor(t), freeport.AddressFor(t)
	done := make(chan int, 1)
	go func() {
		code, _, _ := call(append([]string{"run", "--dir", dir, "--listen", clients, "--websocket-listen", "off", "--ops-listen", ops, "--drain-timeout", "1s"}, args...)...)
		done <- code
	}()
	want := "takes connections"
	if len(args) > 0 {
		want = "store has 0 streams, 0 bytes of at most 10737418240"
	}
	await(t, "http://"+ops+"/readyz", want)
	return clients, func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case code := <-done:
			if code != daemon.ExitOK {
				t.Errorf("run ended with %d", code)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("run does not end at SIGTERM")
		}
	}
}
