package store

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/subjects"
)

// A bridge whose key was stolen cannot take back an event of audit: neither by asking
// JetStream, nor by making JetStream answer to a subject that asks.
func TestStolenKeyCannotTakeBackAudit(t *testing.T) {
	b := storetest.Start(t, 1)
	s := open(t, b, nil)
	up(t, s)
	if _, err := s.Stream(t.Context(), Audit(1<<20, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stream(t.Context(), Approvals()); err != nil {
		t.Fatal(err)
	}
	thief := b.As(0, "b-thief")
	if _, err := thief.Publish(t.Context(), subjects.StoreAuditSubject, []byte("event")); err != nil {
		t.Fatal(err)
	}
	if _, err := thief.Publish(t.Context(), "$KV."+subjects.StoreApprovals+".1", nil); err != nil {
		t.Fatal(err)
	}
	attacks := map[string]string{
		"$JS.API.STREAM.DELETE.FAIRLEAD_AUDIT": "", "$JS.API.STREAM.PURGE.FAIRLEAD_AUDIT": "", "$JS.API.STREAM.PURGE.KV_fairlead-approvals": "",
		"$JS.API.STREAM.UPDATE.FAIRLEAD_AUDIT":     `{"name":"FAIRLEAD_AUDIT","subjects":["fairlead.audit.>"],"max_msgs":1,"storage":"file"}`,
		"$JS.API.STREAM.CREATE.FAIRLEAD_AUDIT":     `{"name":"FAIRLEAD_AUDIT","subjects":["fairlead.audit.>"],"max_msgs":1,"storage":"file"}`,
		"$JS.API.STREAM.MSG.DELETE.FAIRLEAD_AUDIT": `{"seq":1}`, "$JS.API.STREAM.MSG.GET.FAIRLEAD_AUDIT": `{"seq":1}`,
		"$JS.API.STREAM.SNAPSHOT.FAIRLEAD_AUDIT":        `{"deliver_subject":"_INBOX.b-thief.x"}`,
		"$JS.API.CONSUMER.CREATE.FAIRLEAD_AUDIT":        `{"stream_name":"FAIRLEAD_AUDIT","config":{"deliver_subject":"_INBOX.b-thief.x"}}`,
		"$JS.API.CONSUMER.CREATE.KV_fairlead-approvals": `{"stream_name":"KV_fairlead-approvals","config":{"deliver_subject":"$JS.API.STREAM.DELETE.FAIRLEAD_AUDIT"}}`,
		"$JS.API.STREAM.NAMES":                          "", "$JS.API.STREAM.CREATE.OTHER": `{"name":"OTHER","subjects":["x"]}`, "$JS.API.INFO": "",
	}
	nc := thief.Conn()
	for subject, body := range attacks {
		if m, err := nc.Request(subject, []byte(body), 100*time.Millisecond); err == nil && subject != "$JS.API.STREAM.CREATE.FAIRLEAD_AUDIT" {
			t.Errorf("%s answers %s", subject, m.Data)
		}
		for _, may := range subjects.StoreAllowPub() {
			m := nats.NewMsg(may)
			m.Reply = subject
			if err := nc.PublishMsg(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	admin := b.Admin(0)
	st, err := admin.Stream(t.Context(), subjects.StoreAudit)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := st.GetMsg(t.Context(), 1); err != nil || string(m.Data) != "event" || st.CachedInfo().Config.MaxMsgs > 0 {
		t.Errorf("after the attacks: %v, %v", m, err)
	}
	if _, err := admin.Stream(t.Context(), subjects.StoreApprovalsStream); err != nil {
		t.Error(err)
	}
	if n := st.CachedInfo().State.Consumers; n != 0 {
		t.Errorf("%d consumers", n)
	}
}

// A message of a bucket is no request: a bridge can have it sent to a subject that asks
// JetStream only by a direct get, which the role does not have. With direct gets the same
// attack removes a stream of audit events and makes another (decision 0021).
func TestStolenKeyHasNothingDelivered(t *testing.T) {
	for _, n := range []int{1, 3} {
		b := storetest.Start(t, n)
		s := open(t, b, nil)
		up(t, s)
		for _, c := range []jetstream.StreamConfig{Audit(1<<20, 0), Inventory(), Events()} {
			if _, err := s.Stream(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		admin, thief := b.Admin(0), b.As(0, "b-thief")
		st, err := admin.Stream(t.Context(), subjects.StoreBucketStream(subjects.StoreInventory))
		if err != nil {
			t.Fatal(err)
		}
		loose := st.CachedInfo().Config
		loose.AllowDirect = true // as if its operator had allowed it
		if _, err := admin.UpdateStream(t.Context(), loose); err != nil {
			t.Fatal(err)
		}
		evil := `{"name":"EVIL","subjects":["evil.>"],"max_bytes":1024,"storage":"file","num_replicas":1}`
		for _, body := range []string{"", evil} {
			if _, err := thief.Publish(t.Context(), "$KV."+subjects.StoreInventory+".acme.prod", []byte(body)); err != nil {
				t.Fatal(err)
			}
			for _, to := range []string{"$JS.API.STREAM.DELETE." + subjects.StoreAudit, "$JS.API.STREAM.CREATE.EVIL"} {
				for _, ask := range []string{"DIRECT.GET.", "STREAM.MSG.GET.", "STREAM.INFO."} {
					m := nats.NewMsg("$JS.API." + ask + "KV_" + subjects.StoreInventory)
					m.Reply, m.Data = to, []byte(`{"last_by_subj":"$KV.`+subjects.StoreInventory+`.acme.prod"}`)
					if err := thief.Conn().PublishMsg(m); err != nil {
						t.Fatal(err)
					}
				}
			}
			// What is published after them is answered after them.
			if _, err := thief.Publish(t.Context(), subjects.StoreAuditSubject, []byte("event")); err != nil {
				t.Errorf("%d brokers: no event can be written any more: %v", n, err)
			}
		}
		if _, err := admin.Stream(t.Context(), subjects.StoreAudit); err != nil {
			t.Errorf("%d brokers: audit: %v", n, err)
		}
		if _, err := admin.Stream(t.Context(), "EVIL"); !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("%d brokers: a stream of the attacker's: %v", n, err)
		}
	}
}
