package webhook

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
)

// killEnv has what a process needs that is a bridge, and is killed.
const killEnv = "FAIRLEAD_TEST_WEBHOOK_BRIDGE"

// TestBridgeThatIsKilled sends until its process is killed, by the next test.
func TestBridgeThatIsKilled(t *testing.T) {
	fields := strings.Fields(os.Getenv(killEnv))
	if len(fields) == 0 {
		t.Skip("it is run by TestBridgeIsKilled")
	}
	key, err := nkeys.FromSeed([]byte(fields[1]))
	if err != nil {
		t.Fatal(err)
	}
	br := run(t, fields[0], fields[2], store.Config{Account: fields[0], Key: key}, fields[3], short)
	br.begun(t)
	br.note(t, 0, 2000)
	select {}
}

// TestBridgeIsKilled: a bridge that is killed while it sends loses nothing that was written:
// another one goes on, and sends again only what came after the last cursor.
func TestBridgeIsKilled(t *testing.T) {
	b := storetest.Start(t, 1)
	r := newReceiver(t)
	half := make(chan struct{})
	r.answer = func(n int, _ *api.Event) (int, http.Header) {
		if n == 500 {
			close(half)
		}
		return 200, nil
	}
	path := write(t, "webhooks:\n"+hook("one", r, ""))
	seed, err := b.Key.Seed()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBridgeThatIsKilled$")
	cmd.Env = append(os.Environ(), killEnv+"="+strings.Join([]string{b.Account, string(seed), b.URLs()[0], path}, " "))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-half:
	case err := <-ended:
		t.Fatalf("the bridge has ended: %v: %s", err, out.String())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	br := start(t, b, path)
	end, err := b.Admin(0).Stream(t.Context(), "FAIRLEAD_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	kept := int(end.CachedInfo().State.LastSeq)
	br.note(t, kept, kept+10)
	seen := map[string]int{}
	for n := kept + 10; len(seen) < kept+10; n++ {
		r.await(n)
		seen = map[string]int{}
		for _, d := range r.details() {
			seen[d]++
		}
	}
	twice := 0
	for i := range kept + 10 {
		if n := seen[strconv.Itoa(i)]; n == 0 || n > 2 {
			t.Errorf("event %d came %d times", i, n)
		} else if n == 2 {
			twice++
		}
	}
	if kept < 500 || twice > 400 {
		t.Errorf("%d events were kept, %d came twice", kept, twice)
	}
}
