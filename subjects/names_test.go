package subjects

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

var badNames = []string{
	"", "-", "-a", "a-", "A", "a.b", "a b", "a_b", "_", "*", ">", "a*", "ä", "a\n", "a\x00",
	strings.Repeat("a", 64), "{{name()}}", "$SYS",
}

func TestCheckName(t *testing.T) {
	for _, s := range []string{"a", "0", "prod", "a-b", "a--b", "9z", strings.Repeat("a", 63)} {
		if err := CheckName(s); err != nil {
			t.Errorf("%q is refused: %v", s, err)
		}
	}
	for _, s := range badNames {
		err := CheckName(s)
		if !errors.Is(err, ErrName) {
			t.Errorf("%q: %v, want ErrName", s, err)
		}
		if len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%q makes an error that is unfit for a log: %q", s, err)
		}
	}
}

func TestClusterRef(t *testing.T) {
	for s, want := range map[string]ClusterRef{
		"prod":         {DefaultTenant, "prod"},
		"prod.acme":    {"acme", "prod"},
		"prod.default": {DefaultTenant, "prod"},
	} {
		got, err := ParseClusterRef(s)
		if got != want || err != nil {
			t.Errorf("%q: %+v, %v; want %+v", s, got, err, want)
		}
		again, err := ParseClusterRef(got.String())
		if again != got || err != nil {
			t.Errorf("%q is written %q and read %+v, %v", s, got, again, err)
		}
	}
	for _, s := range append([]string{".", "prod.", ".acme", "a.b.c", "prod.Acme", "_.acme", "prod._"}, badNames...) {
		if s == "a.b" {
			continue // a cluster and a tenant
		}
		if ref, err := ParseClusterRef(s); !errors.Is(err, ErrName) {
			t.Errorf("%q: %+v, %v; want ErrName", s, ref, err)
		}
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewID('a')
		if err := CheckName(id); err != nil || id[0] != 'a' || len(id) != 17 || seen[id] {
			t.Fatalf("id %q: %v", id, err)
		}
		seen[id] = true
	}
}

func TestSubjectsRoundTrip(t *testing.T) {
	if c, i, b, ok := ParseDown(Down("prod", "a1", "b1")); !ok || c != "prod" || i != "a1" || b != "b1" {
		t.Errorf("down: %q %q %q %v", c, i, b, ok)
	}
	if c, i, b, ok := ParseDown(DownAll("prod", "b1")); !ok || c != "prod" || i != "" || b != "b1" {
		t.Errorf("query: %q %q %q %v", c, i, b, ok)
	}
	if b, c, i, ok := ParseUp(Up("b1", "prod", "a1")); !ok || c != "prod" || i != "a1" || b != "b1" {
		t.Errorf("up: %q %q %q %v", b, c, i, ok)
	}
	if b, c, i, ok := ParseUp(UpAll("prod", "a1")); !ok || c != "prod" || i != "a1" || b != "" {
		t.Errorf("presence: %q %q %q %v", b, c, i, ok)
	}
	for _, id := range []uint64{0, 1, 35, 36, 1 << 40, 1<<64 - 1} {
		b, c, i, got, ok := ParseNoResponders(NoResponders("b1", "prod", "a1", id))
		if !ok || c != "prod" || i != "a1" || b != "b1" || got != id {
			t.Errorf("no responders: %q %q %q %d %v", b, c, i, got, ok)
		}
		if s := NoRespondersOf(Down("prod", "a1", "b1"), id); s != NoResponders("b1", "prod", "a1", id) {
			t.Errorf("the same from the subject: %q", s)
		}
	}
	if c, i, b, ok := ParseNoBridge(NoBridge(Up("b1", "prod", "a1"))); !ok || c != "prod" || i != "a1" || b != "b1" {
		t.Errorf("no bridge: %q %q %q %v", c, i, b, ok)
	}
}

// A query to every instance is answered for the cluster.
func TestNoRespondersToAQuery(t *testing.T) {
	const want = "up.b1._.prod._.0"
	if s := NoRespondersOf(DownAll("prod", "b1"), 0); s != want {
		t.Errorf("from the query's subject: %q", s)
	}
	if s := NoResponders("b1", "prod", "", 0); s != want {
		t.Errorf("%q", s)
	}
	if b, c, i, id, ok := ParseNoResponders(want); !ok || b != "b1" || c != "prod" || i != "" || id != 0 {
		t.Errorf("%q %q %q %d %v", b, c, i, id, ok)
	}
}

// TestForeignSubjects: a subject that is not exactly one of ours is ignored: row N1 of
// PROTOCOL.md.
func TestForeignSubjects(t *testing.T) {
	foreign := []string{
		"", ".", "down", "down.", "down.prod", "down.prod.a1", "down.prod.a1.b1.x", "down.prod.a1.b1.",
		"down..a1.b1", "down.prod..b1", "down.prod.a1.", "down._.a1.b1", "down.prod.a1._", "down.*.a1.b1",
		"down.prod.*.b1", "down.prod.a1.>", "Down.prod.a1.b1", "down.PROD.a1.b1", "down.prod.a1.b 1",
		"up", "up.b1", "up.b1.prod", "up.b1.prod.a1.x", "up.b1._.a1", "up.b1.prod._", "up..prod.a1", "up.*.prod.a1",
		"up.b1._.prod.a1", "up.b1._.prod.a1.", "up.b1._.prod.a1.-1", "up.b1._.prod.a1.zzzzzzzzzzzzzzz",
		"up.b1._.prod.a1.1.2", "up._._.prod.a1.1", "up.b1._._.a1.1", "up.b1._.prod._.1", "up.b1.x.prod.a1.1",
		"_INBOX.x", "$SYS.REQ.x", "down.prod.a1.__", "down.prod._._b1", "down._.a1._b1", "down.prod.a1._b1.x", "down.prod.a1.__b1",
	}
	for _, s := range foreign {
		if _, _, _, ok := ParseDown(s); ok {
			t.Errorf("%q is taken for a subject to an agent", s)
		}
		if _, _, _, ok := ParseUp(s); ok {
			t.Errorf("%q is taken for a subject to a bridge", s)
		}
		if _, _, _, _, ok := ParseNoResponders(s); ok {
			t.Errorf("%q is taken for an answer of NATS", s)
		}
		if _, _, _, ok := ParseNoBridge(s); ok {
			t.Errorf("%q is taken for an answer of NATS to an agent", s)
		}
	}
}

// TestSubscriptionsMatch holds the builders of subjects and of subscriptions
// together, by NATS's own rule for wildcards.
func TestSubscriptionsMatch(t *testing.T) {
	for _, tc := range []struct {
		subscription, subject string
		want                  bool
	}{
		{AgentFrames("prod", "a1"), Down("prod", "a1", "b1"), true},
		{AgentFrames("prod", "a1"), Down("prod", "a2", "b1"), false},
		{AgentFrames("prod", "a1"), Down("test", "a1", "b1"), false},
		{AgentFrames("prod", "a1"), DownAll("prod", "b1"), false},
		{AgentFrames("prod", "a1"), NoBridge(Up("b1", "prod", "a1")), true},
		{AgentFrames("prod", "a2"), NoBridge(Up("b1", "prod", "a1")), false},
		{AgentQueries("prod"), DownAll("prod", "b1"), true},
		{AgentQueries("prod"), Down("prod", "a1", "b1"), false},
		{BridgeFrames("b1"), Up("b1", "prod", "a1"), true},
		{BridgeFrames("b1"), Up("b2", "prod", "a1"), false},
		{BridgeFrames("b1"), UpAll("prod", "a1"), false},
		{BridgeFrames("b1"), NoResponders("b1", "prod", "a1", 7), true},
		{BridgePresence(), UpAll("prod", "a1"), true},
		{BridgePresence(), Up("b1", "prod", "a1"), false},
		{BridgePresence(), NoResponders("b1", "prod", "a1", 7), false},
		// What a scoped key's templates let an agent and a bridge do.
		{forName(AgentAllowSub, "prod"), AgentFrames("prod", "a1"), true},
		{forName(AgentAllowSub, "prod"), AgentQueries("prod"), true},
		{forName(AgentAllowSub, "prod"), Down("test", "a1", "b1"), false},
		{forName(AgentAllowPub, "prod"), Up("b1", "prod", "a1"), true},
		{forName(AgentAllowPub, "prod"), UpAll("prod", "a1"), true},
		{forName(AgentAllowPub, "prod"), Up("b1", "test", "a1"), false},
		{forName(AgentAllowPub, "prod"), NoResponders("b1", "prod", "a1", 7), false},
		{forName(AgentAllowPub, "_"), UpAll("_", "a1"), true}, // and therefore:
		{AgentDenyNoResponders, NoResponders("b1", "prod", "a1", 7), true},
		{forName(BridgeAllowPub, "b1"), Down("prod", "a1", "b1"), true},
		{forName(BridgeAllowPub, "b1"), Down("prod", "a1", "b2"), false},
		{forName(BridgeAllowPub, "b1"), NoBridge(Up("b1", "prod", "a1")), false},
		{forName(BridgeAllowSub, "b1"), BridgeFrames("b1"), true},
		{forName(BridgeAllowSub, "b1"), BridgeFrames("b2"), false},
		{BridgeAllowSubPresence, BridgePresence(), true},
	} {
		if got := matches(tc.subscription, tc.subject); got != tc.want {
			t.Errorf("%q and %q: %v, want %v", tc.subscription, tc.subject, got, tc.want)
		}
	}
}

func forName(template, name string) string { return strings.ReplaceAll(template, "{{name()}}", name) }

// matches says whether pattern covers subject, which may be a pattern itself.
func matches(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range p {
		switch {
		case token == ">":
			return len(s) > i
		case i >= len(s) || s[i] == ">":
			return false
		case token != "*" && token != s[i]:
			return false
		}
	}
	return len(p) == len(s)
}

func FuzzParseSubjects(f *testing.F) {
	for _, s := range []string{
		Down("prod", "a1", "b1"), DownAll("prod", "b1"), Up("b1", "prod", "a1"), UpAll("prod", "a1"),
		NoResponders("b1", "prod", "a1", 7), NoBridge(Up("b1", "prod", "a1")), "down.a.b.c.d", "prod.acme", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, i, b, ok := ParseDown(s); ok {
			want := Down(c, i, b)
			if i == "" {
				want = DownAll(c, b)
			}
			checkParsed(t, s, want, c, i, b)
		}
		if b, c, i, ok := ParseUp(s); ok {
			want := Up(b, c, i)
			if b == "" {
				want = UpAll(c, i)
			}
			checkParsed(t, s, want, b, c, i)
		}
		if b, c, i, id, ok := ParseNoResponders(s); ok {
			// Numbers are read leniently; they name a stream of this bridge only.
			checkParsed(t, NoResponders(b, c, i, id), NoResponders(b, c, i, id), b, c, i)
		}
		if c, i, b, ok := ParseNoBridge(s); ok {
			checkParsed(t, s, NoBridge(Up(b, c, i)), b, c, i)
			if _, _, _, too := ParseDown(s); too {
				t.Errorf("%q is taken for a frame too", s)
			}
		}
		if ref, err := ParseClusterRef(s); err == nil {
			if again, err := ParseClusterRef(ref.String()); again != ref || err != nil {
				t.Errorf("%q: %+v, then %+v, %v", s, ref, again, err)
			}
		}
	})
}

func checkParsed(t *testing.T, s, want string, names ...string) {
	t.Helper()
	if s != want {
		t.Errorf("%q was parsed, but its parts make %q", s, want)
	}
	for _, n := range slices.DeleteFunc(names, func(n string) bool { return n == "" }) {
		if err := CheckName(n); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}
