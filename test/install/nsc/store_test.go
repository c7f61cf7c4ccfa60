package nsc

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
)

// shareStore makes the account for what bridges share while everything runs, and
// replaces its key.
func (w *installation) shareStore(t *testing.T) {
	t.Helper()
	w.keeper.do(t, "platform")
	w.keeper.do(t, "push")
	first := w.storeUser(t)
	js, err := first.JetStream(nats.MaxWait(2 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	w.until(t, "a stream", func() error {
		_, err := js.AddStream(&nats.StreamConfig{
			Name: subjects.StoreAudit, Subjects: []string{"fairlead.audit.>"}, MaxBytes: 1 << 20, DenyDelete: true, DenyPurge: true,
		})
		return err
	})
	// The broker at the other end may not know yet where the stream is.
	w.until(t, "an event in it", func() error {
		_, err := js.Publish(subjects.StoreAuditSubject, []byte("event"), nats.MsgId("event"))
		return err
	})

	w.keeper.do(t, "platform", "rotate")
	w.keeper.do(t, "push", subjects.StoreAccount)
	second := w.storeUser(t)
	if first.Flush() != nil {
		t.Error("the old key of role store stopped working before it was removed")
	}
	w.keeper.do(t, "platform", "retire")
	w.keeper.do(t, "push", subjects.StoreAccount)
	w.until(t, "the user of the old key to be cut", func() error {
		if !first.IsClosed() {
			return errors.New("it is connected")
		}
		return nil
	})
	if js, err = second.JetStream(nats.MaxWait(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	w.until(t, "the event, with the new key", func() error {
		info, err := js.StreamInfo(subjects.StoreAudit)
		if err == nil && info.State.Msgs != 1 {
			t.Fatalf("with the new key: %+v; want one event", info)
		}
		return err
	})
	w.unharmed(t, "an account for what bridges share, and another key of its role")
}

// storeUser connects as a bridge does that uses the store.
func (w *world) storeUser(t *testing.T) *nats.Conn {
	t.Helper()
	account, err := os.ReadFile(w.place.storeAccount())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := keys.ReadKey(w.place.storeKey())
	if err != nil {
		t.Fatal(err)
	}
	defer signer.Wipe()
	creds, err := keys.MintUser(signer, strings.TrimSpace(string(account)), "b1", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(w.brokerURLs(), nats.UserCredentialBytes(creds), nats.RootCAs(w.ca()), nats.NoReconnect(),
		nats.CustomInboxPrefix(subjects.StoreInbox("b1")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}
