package inventory

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
)

var prod = subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}

// story judges one cluster again and again.
type story struct {
	t   *testing.T
	r   record
	now time.Time
}

func newStory(t *testing.T) *story {
	return &story{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

// agents are instances of a cluster that is heard now.
func (s *story) agents(names ...string) directory.Cluster {
	c := directory.Cluster{Name: "prod", State: directory.Connected, LastSeen: s.now}
	for _, name := range names {
		c.Instances = append(c.Instances, directory.InstanceInfo{Name: name, LastSeen: s.now, Presence: subjects.Presence{
			Protocol: [2]int{subjects.MinVersion, subjects.Version}, State: subjects.PresenceUp, Reachable: true, Version: "v1.4.0",
		}})
	}
	return c
}

// is wants these events, as "type instance cause", and takes the record over.
func (s *story) is(what string, c directory.Cluster, want ...string) *judgment {
	s.t.Helper()
	j := judge(prod, s.r, &c, s.now, "v1.4.0")
	var got []string
	seen := map[string]bool{}
	for _, e := range j.events {
		got = append(got, strings.TrimSpace(string(e.event.Type)+" "+strings.TrimSpace(e.event.Instance+" "+e.event.Cause)))
		if key := string(e.event.Type) + e.dedupe; seen[key] {
			s.t.Errorf("%s: two events of one name: %s", what, key)
		} else {
			seen[key] = true
		}
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("%s: %q, want %q", what, got, want)
	}
	if (len(got) > 0) != (j.now.Epoch > s.r.Epoch) || len(got) > 0 && !j.worth() {
		s.t.Errorf("%s: epoch %d after %d, worth %v, with %d events", what, j.now.Epoch, s.r.Epoch, j.worth(), len(got))
	}
	again, err := parseRecord(j.now.value())
	if err != nil || !again.same(&j.now) {
		s.t.Errorf("%s: the record is not the same again: %+v, %v; want %+v", what, again, err, j.now)
	}
	s.r = j.now
	s.now = s.now.Add(time.Second)
	return j
}

func TestJudge(t *testing.T) {
	s := newStory(t)
	s.is("the first agent", s.agents("a1"), "cluster.connected", "instance.connected a1")
	if j := s.is("nothing new", s.agents("a1")); j.worth() {
		t.Error("nothing new is worth a write")
	}
	s.now = s.now.Add(time.Minute)
	if j := s.is("a minute later", s.agents("a1")); !j.worth() {
		t.Error("when it was seen is not kept")
	}
	s.is("another one", s.agents("a1", "a2"), "instance.connected a2")
	s.is("one is lost", s.agents("a1"), "instance.disconnected a2 lost", "cluster.degraded instance-lost")
	s.is("it stays so", s.agents("a1"))
	s.is("another one in its place", s.agents("a1", "a3"), "instance.connected a3", "cluster.recovered instance-lost")
	c := s.agents("a1")
	c.Parted = []string{"a3"}
	s.is("one stops", c, "instance.disconnected a3 goodbye")
	c = s.agents("a1")
	c.Instances[0].Presence.Reachable = false
	s.is("the API server is gone", c, "cluster.degraded api-server-unreachable")
	c.Instances[0].Presence.Protocol = [2]int{90, 91}
	s.is("an agent of the future", c, "cluster.degraded incompatible")
	gone := directory.Cluster{Name: "prod", State: directory.Offline, LastSeen: s.r.LastSeen}
	s.is("it is lost", gone, "cluster.disconnected lost", "instance.disconnected a1 lost")
	s.is("it stays away", gone)
	s.is("it is back", s.agents("a4"), "cluster.connected", "instance.connected a4")
	gone.LastSeen, gone.Parted = s.now, []string{"a4"}
	s.is("it stops", gone, "cluster.disconnected goodbye", "instance.disconnected a4 goodbye")
	s.is("it is back", s.agents("a5"), "cluster.connected", "instance.connected a5")
	never := directory.Cluster{Name: "prod", State: directory.NeverConnected}
	s.is("another bridge has just seen it", never)
	if !s.r.Connected {
		t.Error("it is taken for gone though another bridge has just seen it")
	}
	s.now = s.now.Add(unseenFor)
	s.is("no bridge has seen it", never, "cluster.disconnected not-heard", "instance.disconnected a5 lost")
}

// TestJudgeCredential: each of the three times is told once, for each credential.
func TestJudgeCredential(t *testing.T) {
	s := newStory(t)
	ends := s.now.Add(60 * 24 * time.Hour)
	c := func() directory.Cluster {
		c := s.agents("a1")
		at := ends
		c.Instances[0].Presence.Detail = &subjects.Detail{Expires: &at}
		return c
	}
	s.is("in 60 days", c(), "cluster.connected", "instance.connected a1")
	for _, days := range []int{30, 7, 1} {
		s.now = ends.Add(-time.Duration(days) * 24 * time.Hour)
		s.is("in time", c(), "credential.expiring "+map[int]string{30: "30d", 7: "7d", 1: "1d"}[days])
		s.is("and again", c())
	}
	ends = s.now.Add(90 * 24 * time.Hour)
	s.is("renewed", c())
	ends = s.now.Add(5 * 24 * time.Hour)
	s.is("a short one", c(), "credential.expiring 7d")
	s.is("and again", c())
}

// TestJudgeSkew: a version that is too far away is told once.
func TestJudgeSkew(t *testing.T) {
	s := newStory(t)
	c := s.agents("a1")
	c.Instances[0].Presence.Version = "v1.1.0"
	s.is("an old agent", c, "cluster.connected", "instance.connected a1", "version.skew a1")
	s.is("and again", c)
	c.Instances[0].Presence.Version = "v1.2.0"
	s.is("still old", c, "version.skew a1")
	s.is("updated", s.agents("a1"))
}

// TestJudgeMany: an agent that announces instances without end is told of within bounds.
func TestJudgeMany(t *testing.T) {
	s := newStory(t)
	var names []string
	for i := range maxKept {
		names = append(names, "a"+string(rune('a'+i/26))+string(rune('a'+i%26)))
	}
	c := s.agents(names...)
	if j := judge(prod, record{}, &c, s.now, ""); len(j.events) > maxTold+4 || len(j.now.Instances) != maxKept {
		t.Errorf("%d events, %d instances", len(j.events), len(j.now.Instances))
	}
}

func TestPace(t *testing.T) {
	now, n := time.Now(), 0
	var p pace
	for p.take(now) {
		n++
	}
	if n != judgeBurst || p.take(now.Add(judgeInterval-1)) || !p.take(now.Add(judgeInterval)) {
		t.Errorf("%d at once, want %d and then one in %v", n, judgeBurst, judgeInterval)
	}
}

// FuzzParseRecord: a stored value is refused, or one that can be kept, judged and shown.
func FuzzParseRecord(f *testing.F) {
	r := record{Epoch: 7, Connected: true, LastSeen: time.Now(), Instances: []string{"a1"}, Want: 2, Labels: map[string]string{"a": "b"}, Skew: "v1"}
	f.Add(r.value())
	f.Add([]byte(`{"lastSeen":"9999-12-31T23:59:59-23:59","instances":["a.b"]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := parseRecord(value)
		if err != nil {
			return
		}
		c := newStory(t).agents("a1", "a2")
		j := judge(prod, r, &c, time.Now(), "v1.0.0")
		if again, err := parseRecord(j.now.value()); err != nil || !again.same(&j.now) {
			t.Errorf("%s: %+v, %v", value, again, err)
		}
		_ = view(prod, &directory.Cluster{}, looks{last: r}, nil)
	})
}
