package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/internal/brokertest"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// listener is a connection that counts what it hears and notes what it is refused.
type listener struct {
	*nats.Conn
	mu       sync.Mutex
	heard    int
	refusals string
}

func listen(t *testing.T, l *keys.Layout, b *Broker, creds []byte) *listener {
	t.Helper()
	e := &listener{}
	e.Conn = mustConnect(t, l, b.ClientURL(), creds, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.refusals += err.Error() + "\n"
	}))
	return e
}

// refused publishes to and subscribes to subjects, each of which must be refused.
func (e *listener) refused(t *testing.T, publish, subscribe []string) {
	t.Helper()
	var want []string
	for _, s := range publish {
		if err := e.PublishRequest(s, "_INBOX.b1.x", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf("Publish to %q", s))
	}
	for _, s := range subscribe {
		if _, err := e.Subscribe(s, func(*nats.Msg) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.heard++
		}); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf("Subscription to %q", s))
	}
	eventually.Nil(t, "a refusal of each subject", func() error {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, w := range want {
			if !strings.Contains(strings.ToLower(e.refusals), strings.ToLower(w)) {
				return errors.New(w + " is not refused")
			}
		}
		return nil
	})
}

func (e *listener) heardNothing(t *testing.T) {
	t.Helper()
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.heard > 0 {
		t.Errorf("heard %d messages", e.heard)
	}
}

// api is how streams are asked for, changed and read.
func api(stream string) []string {
	list := []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.ACCOUNT.PURGE.x", "$JS.API.META.LEADER.STEPDOWN", "$JS.API.SERVER.REMOVE"}
	for _, call := range []string{
		"STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE", "STREAM.SNAPSHOT", "STREAM.RESTORE",
		"STREAM.LEADER.STEPDOWN", "STREAM.PEER.REMOVE", "DIRECT.GET", "CONSUMER.NAMES", "CONSUMER.LIST",
	} {
		list = append(list, "$JS.API."+call+"."+stream)
	}
	for _, call := range []string{"CONSUMER.CREATE", "CONSUMER.DURABLE.CREATE", "CONSUMER.INFO", "CONSUMER.DELETE", "CONSUMER.MSG.NEXT"} {
		list = append(list, "$JS.API."+call+"."+stream+".x")
	}
	return append(list, "$JS.API.DIRECT.GET."+stream+".x", "$JS.API.CONSUMER.CREATE."+stream, "$JS.ACK."+stream+".x.1.1.1.1.1", "$JS.FC.x")
}

var storeSubjects = []string{
	subjects.StoreAuditSubject, "$KV." + subjects.StoreApprovals + ".k", "$O." + subjects.StoreRecordings + ".C.x", "$O." + subjects.StoreRecordings + ".M.x",
	"$KV." + subjects.StoreInventory + ".acme.prod", "$KV." + subjects.StoreSettings + ".acme.prod", "$KV." + subjects.StoreOperations + ".acme.prod.1",
	"$KV." + subjects.StoreLeases + ".x", subjects.StoreEventsPrefix + "acme.prod",
}

// TestTenantsDoNotReachTheStore: neither an agent nor a bridge of a tenant hears or
// writes what bridges share, or may ask JetStream for anything.
func TestTenantsDoNotReachTheStore(t *testing.T) {
	l := newLayout(t)
	nodes := storeCluster(t, l)
	js := makeAudit(t, storeUser(t, l, nodes[0], "b1"), 3)
	publish := slices.Concat(api(subjects.StoreAudit), storeSubjects,
		[]string{"$JS.API.STREAM.INFO." + subjects.StoreAudit, "$JS.API.STREAM.CREATE." + subjects.StoreAudit, "$JS.API.STREAM.MSG.GET." + subjects.StoreAudit})
	hear := slices.Concat(storeSubjects, []string{"fairlead.>", "$KV.>", "$O.>", "$JS.>", "$JSC.>", "$NRG.>", "_INBOX.b1.>", ">"})
	users := map[string]*listener{
		"agent":  listen(t, l, nodes[1], agentCreds(t, l, "acme", "prod")),
		"bridge": listen(t, l, nodes[2], bridgeCreds(t, l, "acme", "b1")),
	}
	for name, e := range users {
		t.Run(name, func(t *testing.T) { e.refused(t, publish, hear) })
	}
	if _, err := js.Publish(subjects.StoreAuditSubject, []byte("event")); err != nil {
		t.Fatal(err)
	}
	for _, e := range users {
		e.heardNothing(t)
	}
	if info, err := js.StreamInfo(subjects.StoreAudit); err != nil || info.State.Msgs != 1 {
		t.Errorf("%+v, %v; want the one event of role store", info, err)
	}
}

// TestStoreRoleIsConfined: a bridge's user of the store cannot remove or change a stream,
// make consumers, hear another bridge's answers or touch a tenant.
func TestStoreRoleIsConfined(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, func(c *Config) { c.StoreDir = l.StoreDir() })
	js := makeAudit(t, storeUser(t, l, b, "b1"), 1)
	if _, err := js.Publish(subjects.StoreAuditSubject, []byte("event")); err != nil {
		t.Fatal(err)
	}
	victim := listen(t, l, b, agentCreds(t, l, "acme", "prod"))
	if _, err := victim.Subscribe(subjects.AgentFrames("prod", "a1"), func(*nats.Msg) {
		victim.mu.Lock()
		defer victim.mu.Unlock()
		victim.heard++
	}); err != nil {
		t.Fatal(err)
	}
	e := listen(t, l, b, brokertest.StoreCreds(t, l, "b1"))
	var publish []string
	for _, stream := range append(subjects.StoreStreams(), "OTHER") {
		publish = append(publish, api(stream)...)
	}
	publish = append(publish, "$JS.API.STREAM.CREATE.OTHER", "$JS.API.STREAM.INFO.OTHER", "$JS.API.STREAM.MSG.GET."+subjects.StoreAudit,
		"$JS.API.STREAM.TEMPLATE.CREATE.x", "_INBOX.b2.x", "$SYS.REQ.SERVER.PING", claimsUpdate,
		subjects.Down("prod", "a1", "b1"), subjects.Up("b1", "prod", "a1"), "$KV.other.k", "$O.other.C.x", "other",
		"$KV."+subjects.StoreInventory+".acme", "$KV."+subjects.StoreInventory+".acme.prod.1", "$KV."+subjects.StoreLeases+".a.b", "fairlead.events.acme")
	e.refused(t, publish, []string{
		"_INBOX.>", "_INBOX.b2.>", "_INBOX.*.>", "fairlead.>", "fairlead.audit.>", "$KV.>", "$O.>", "$JS.>", "$SYS.>", "up.>", "down.>", ">",
	})
	victim.heardNothing(t)

	// A request to create a stream that exists changes nothing.
	loose := audit(1)
	loose.DenyDelete, loose.DenyPurge, loose.MaxMsgs = false, false, 1
	if _, err := js.AddStream(loose); err == nil {
		t.Error("a stream is created over another")
	}
	info, err := js.StreamInfo(subjects.StoreAudit)
	if err != nil || info.State.Msgs != 1 || !info.Config.DenyDelete || !info.Config.DenyPurge || info.Config.MaxMsgs > 0 {
		t.Errorf("%+v, %v; want the stream as it was", info, err)
	}
	// One in memory, or without a bound, is not made.
	for _, c := range []*nats.StreamConfig{
		{Name: subjects.StoreApprovalsStream, Subjects: []string{"$KV." + subjects.StoreApprovals + ".>"}, Storage: nats.MemoryStorage, MaxBytes: 1 << 20},
		{Name: subjects.StoreApprovalsStream, Subjects: []string{"$KV." + subjects.StoreApprovals + ".>"}, Storage: nats.FileStorage},
	} {
		if _, err := js.AddStream(c); err == nil {
			t.Errorf("stream %+v is made", c)
		}
	}
}

// TestStoreKeyIsOfOneAccount: the key of role store makes no users of tenants, and those
// of tenants make none of the platform.
func TestStoreKeyIsOfOneAccount(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, func(c *Config) { c.StoreDir = l.StoreDir() })
	platform, _, err := l.Platform()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ key, account string }{
		{l.StoreKeyFile(), mustAccount(t, l, "acme")},
		{l.AgentKeyFile("acme"), platform},
		{l.BridgeKeyFile(), platform},
	} {
		signer, err := keys.ReadKey(c.key)
		if err != nil {
			t.Fatal(err)
		}
		creds, err := keys.MintUser(signer, c.account, "b1", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := connect(t, l, b.ClientURL(), creds); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("a user of %s that %s signed: %v", c.account, c.key, err)
		}
	}
}

// TestSteward: who administers streams can change one and make a consumer, and can
// neither write what bridges share nor reach a tenant.
func TestSteward(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, func(c *Config) { c.StoreDir = l.StoreDir() })
	bridge := makeAudit(t, storeUser(t, l, b, "b1"), 1)
	creds, err := l.MintSteward("alice", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.MintSteward("alice.b1", time.Time{}); err == nil {
		t.Error("a user with a dot in its name is minted")
	}
	js, err := mustConnect(t, l, b.ClientURL(), creds, nats.CustomInboxPrefix(subjects.StewardInbox("alice"))).JetStream()
	if err != nil {
		t.Fatal(err)
	}
	larger := audit(1)
	larger.MaxBytes *= 2
	if info, err := js.UpdateStream(larger); err != nil || info.Config.MaxBytes != larger.MaxBytes {
		t.Errorf("%+v, %v; want a larger stream", info, err)
	}
	if _, err := bridge.Publish(subjects.StoreAuditSubject, []byte("event")); err != nil {
		t.Fatal(err)
	}
	reader, err := js.PullSubscribe(subjects.StoreAuditSubject, "siem", nats.BindStream(subjects.StoreAudit))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := reader.Fetch(1, nats.MaxWait(patience)); err != nil || string(m[0].Data) != "event" || m[0].AckSync() != nil {
		t.Errorf("read %v, %v", m, err)
	}
	loose := audit(1)
	loose.MaxBytes, loose.DenyDelete, loose.DenyPurge = larger.MaxBytes, false, false
	if _, err := js.UpdateStream(loose); err == nil {
		t.Error("events of a stream can be made removable")
	}
	if err := js.PurgeStream(subjects.StoreAudit, nats.MaxWait(time.Second)); err == nil {
		t.Error("the events are purged")
	}
	listen(t, l, b, creds).refused(t, slices.Concat(storeSubjects, stewardMayNotAsk, []string{"$SYS.REQ.SERVER.PING", claimsUpdate, subjects.Down("prod", "a1", "b1"), "_INBOX.b1.x"}),
		slices.Concat(storeSubjects, []string{"_INBOX.b1.>", "_INBOX.alice.>", "_INBOX_STEWARD.>", "_INBOX_STEWARD.bob.>", "fairlead.>", "$JS.>", "$SYS.>", ">"}))
}

// stewardMayNotAsk is what would let a steward make a stream of its own, whose messages
// JetStream could put into the bucket of approvals, or have approvals delivered there again.
var stewardMayNotAsk = []string{
	"$JS.API.STREAM.CREATE.EVIL", "$JS.API.STREAM.UPDATE.EVIL", "$JS.API.STREAM.RESTORE.EVIL", "$JS.API.STREAM.CREATE." + subjects.StoreAudit,
	"$JS.API.STREAM.PURGE." + subjects.StoreAudit, "$JS.API.STREAM.MSG.DELETE." + subjects.StoreAudit,
	"$JS.API.CONSUMER.CREATE." + subjects.StoreApprovalsStream, "$JS.API.CONSUMER.CREATE." + subjects.StoreApprovalsStream + "." + subjects.StoreAudit + ".x",
	"$JS.API.CONSUMER.CREATE." + subjects.StoreEvents, "$JS.API.CONSUMER.CREATE.KV_" + subjects.StoreOperations, "$JS.API.STREAM.CREATE." + subjects.StoreEvents,
	"$JS.API.DIRECT.GET." + subjects.StoreAudit, "$JS.API.DIRECT.GET.KV_" + subjects.StoreSettings, "$JS.API.DIRECT.GET.KV_" + subjects.StoreSettings + ".x",
	"$JS.API.CONSUMER.DURABLE.CREATE." + subjects.StoreRecordingsStream + ".x", "$JS.API.SERVER.REMOVE", "$JS.API.META.LEADER.STEPDOWN", "$JS.API.ACCOUNT.PURGE.x",
	"$JS.API.evil.x", "$JS.ACK.evil.x", "$JS.SNAPSHOT.evil.x", "$JS.SNAPSHOT.RESTORE.EVIL.x",
}

// TestStoreKeyDoesNotHearStewards: who has the key of role store, and so may take any name,
// hears nothing of what a steward reads.
func TestStoreKeyDoesNotHearStewards(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, func(c *Config) { c.StoreDir = l.StoreDir() })
	bridge := makeAudit(t, storeUser(t, l, b, "b1"), 1)
	if _, err := bridge.Publish(subjects.StoreAuditSubject, []byte("event")); err != nil {
		t.Fatal(err)
	}
	creds, err := l.MintSteward("alice", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	inbox := subjects.StewardInbox("alice")
	js, err := mustConnect(t, l, b.ClientURL(), creds, nats.CustomInboxPrefix(inbox)).JetStream()
	if err != nil {
		t.Fatal(err)
	}
	thief := listen(t, l, b, brokertest.StoreCreds(t, l, "alice"))
	thief.refused(t, nil, []string{inbox + ".>", "_INBOX_STEWARD.>", ">"})
	if _, err := thief.Subscribe(subjects.StoreInbox("alice")+".>", func(*nats.Msg) {
		thief.mu.Lock()
		defer thief.mu.Unlock()
		thief.heard++
	}); err != nil {
		t.Fatal(err)
	}
	reader, err := js.PullSubscribe(subjects.StoreAuditSubject, "siem", nats.BindStream(subjects.StoreAudit))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := reader.Fetch(1, nats.MaxWait(patience)); err != nil || string(m[0].Data) != "event" {
		t.Errorf("read %v, %v", m, err)
	}
	thief.heardNothing(t)
}

// TestStewardSavesAndRestores: the role suffices for a backup and for putting it back.
func TestStewardSavesAndRestores(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, func(c *Config) { c.StoreDir = l.StoreDir() })
	bridge := makeAudit(t, storeUser(t, l, b, "b1"), 1)
	if _, err := bridge.Publish(subjects.StoreAuditSubject, []byte("event")); err != nil {
		t.Fatal(err)
	}
	creds, err := l.MintSteward("alice", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	nc := mustConnect(t, l, b.ClientURL(), creds, nats.CustomInboxPrefix(subjects.StewardInbox("alice")))
	saved := snapshot(t, nc, subjects.StoreAudit)
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(subjects.StoreAudit); err != nil {
		t.Fatal(err)
	}
	restore(t, nc, subjects.StoreAudit, saved)
	if info, err := js.StreamInfo(subjects.StoreAudit); err != nil || info.State.Msgs != 1 {
		t.Errorf("%+v, %v; want the one event", info, err)
	}
}
