package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// processArgs is the variable with the arguments of a broker that the test's binary is.
const processArgs = "BROKER_TEST_PROCESS"

// TestBrokerProcess is a broker as a process of its own, for tests that kill it.
func TestBrokerProcess(t *testing.T) {
	args := os.Getenv(processArgs)
	if args == "" {
		t.Skip("this is a helper of TestStoreOutlivesAKill")
	}
	os.Exit(daemon.Main(newCommand(), strings.Fields(args)))
}

// startProcess returns the process; the test's end kills it.
func startProcess(t *testing.T, args string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBrokerProcess$")
	cmd.Env = append(os.Environ(), processArgs+"="+args)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	return cmd
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // an error means that it has ended
	_ = cmd.Wait()
}

// TestStoreOutlivesAKill kills the broker that leads a stream while events are written:
// what was acknowledged is there, each event in its place, once the broker is back.
func TestStoreOutlivesAKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fairlead")
	mustCall(t, "init", "--dir", dir)
	var routes, servers []string
	for range 3 {
		routes, servers = append(routes, freeport.AddressFor(t)), append(servers, "tls://"+freeport.AddressFor(t))
	}
	args, ops, brokers := map[string]string{}, map[string]string{}, map[string]*exec.Cmd{}
	for i := range 3 {
		name := fmt.Sprintf("node-%d", i)
		ops[name] = freeport.AddressFor(t)
		args[name] = fmt.Sprintf("run --dir %s --name %s --listen %s --websocket-listen off --routes-listen %s --routes tls://%s --ops-listen %s --resolver-dir %s --store-dir %s",
			dir, name, strings.TrimPrefix(servers[i], "tls://"), routes[i], strings.Join(routes, ",tls://"), ops[name], t.TempDir(), t.TempDir())
		brokers[name] = startProcess(t, args[name])
	}
	for name := range brokers {
		await(t, "http://"+ops[name]+"/readyz", "store has ")
	}
	js := storeUser(t, dir, strings.Join(servers, ","))
	writer := &auditWriter{js: js, seen: map[uint64]bool{}}
	writer.until(t, 200)
	info, err := js.StreamInfo(subjects.StoreAudit)
	if err != nil {
		t.Fatal(err)
	}
	leader := info.Cluster.Leader
	kill(brokers[leader])
	writer.until(t, 400)
	brokers[leader] = startProcess(t, args[leader])
	await(t, "http://"+ops[leader]+"/readyz", "store has 1 stream")
	writer.until(t, 600)
	if info, err = js.StreamInfo(subjects.StoreAudit); err != nil {
		t.Fatal(err)
	}
	if s := info.State; s.LastSeq < writer.last || s.Msgs != s.LastSeq {
		t.Errorf("%d events, the last is %d; acknowledged were %d, the last is %d", s.Msgs, s.LastSeq, len(writer.seen), writer.last)
	}
}

// auditWriter writes events and notes their places in the stream.
type auditWriter struct {
	js   nats.JetStreamContext
	seen map[uint64]bool
	last uint64
}

// until writes until so many events are acknowledged. A place that was acknowledged
// twice is an event that was lost.
func (w *auditWriter) until(t *testing.T, acknowledged int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); len(w.seen) < acknowledged; {
		if time.Now().After(deadline) {
			t.Fatalf("%d events of %d acknowledged in 30 s", len(w.seen), acknowledged)
		}
		ack, err := w.js.Publish(subjects.StoreAuditSubject, []byte("event"), nats.AckWait(time.Second))
		if err != nil {
			continue
		}
		if w.seen[ack.Sequence] {
			t.Fatalf("event %d is acknowledged twice: the first was lost", ack.Sequence)
		}
		w.seen[ack.Sequence] = true
		w.last = max(w.last, ack.Sequence)
	}
}

// storeUser makes the stream of audit events, as a bridge.
func storeUser(t *testing.T, dir, servers string) nats.JetStreamContext {
	t.Helper()
	l := keys.At(dir)
	account, _, err := l.Platform()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := keys.ReadKey(l.StoreKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	defer signer.Wipe()
	creds, err := keys.MintUser(signer, account, "b1", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(servers, nats.UserCredentialBytes(creds), nats.RootCAs(l.CAFile()), nats.CustomInboxPrefix(subjects.StoreInbox("b1")),
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.Timeout(eventually.Bound))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := nc.JetStream(nats.MaxWait(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	eventually.Nil(t, "a stream", func() error {
		_, err := js.AddStream(&nats.StreamConfig{
			Name: subjects.StoreAudit, Subjects: []string{"fairlead.audit.>"}, Replicas: 3, MaxBytes: 16 << 20, DenyDelete: true, DenyPurge: true,
		})
		return err
	})
	return js
}
