package subjects

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func fullDetail() *Detail {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	name := strings.Repeat("n", MaxHostName)
	return &Detail{
		Pod: name, Node: name, Platform: strings.Repeat("p", MaxPlatform), Broker: name, Connected: &at, RTT: 1500,
		Requests: 1 << 60, Up: 1 << 61, Down: 1 << 62, Expires: &at,
	}
}

func TestDetailRoundTrip(t *testing.T) {
	p := &Presence{Protocol: [2]int{1, 1}, State: PresenceUp, Started: time.Now().UTC().Round(0), Detail: fullDetail()}
	got, err := ParsePresence(must(AppendPresence(nil, p)))
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("%+v came back as %+v, %v", p.Detail, got.Detail, err)
	}
}

// TestPresenceGoesWithoutDetail: an instance that has much else to say says it, and of its
// detail what there is room for.
func TestPresenceGoesWithoutDetail(t *testing.T) {
	p := &Presence{Protocol: [2]int{1, 1}, State: PresenceUp, Detail: fullDetail()}
	size := len(must(AppendPresence(nil, p)))
	left := func(d *Detail) (all string) {
		if d == nil {
			return "nothing"
		}
		for _, part := range []struct{ name, value string }{{"node", d.Node}, {"pod", d.Pod}, {"broker", d.Broker}, {"platform", d.Platform}} {
			if part.value != "" {
				all += part.name + " "
			}
		}
		return all
	}
	const room = MaxPresence - len(`,"version":""`)
	for _, tt := range []struct {
		over int // bytes that do not fit
		want string
	}{{0, "node pod broker platform "}, {1, "pod broker platform "}, {300, "broker platform "}, {600, "platform "}, {800, ""}, {900, "nothing"}} {
		p.Version = strings.Repeat("v", room-size+tt.over)
		got, err := ParsePresence(must(AppendPresence(nil, p)))
		if err != nil || left(got.Detail) != tt.want {
			t.Errorf("%d bytes too many: %q, %v; want %q", tt.over, left(got.Detail), err, tt.want)
		}
	}
	if p.Detail.Node == "" {
		t.Error("the presence of the caller was changed")
	}
}

// TestHostileDetail: whatever a peer says of itself is bounded, on one line, and can be
// written again.
func TestHostileDetail(t *testing.T) {
	p, err := ParsePresence([]byte(`{"protocol":[1,1],"state":"up","detail":{"pod":"a\u001b[2J\nb","node":"` + strings.Repeat("é", 300) + `","rtt_us":-5,"requests":-1,
		"connected":"9999-12-31T23:59:59-23:59","expires":"2026-01-02T03:04:05+05:45"}}`))
	if err != nil {
		t.Fatal(err)
	}
	d := p.Detail
	if d.Pod != "a?[2J?b" || len(d.Node) > MaxHostName || d.RTT != 0 || d.Requests != 0 || d.Connected != nil || d.Expires.Hour() != 21 {
		t.Errorf("%+v", d)
	}
}
