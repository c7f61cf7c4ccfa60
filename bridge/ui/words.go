package ui

import (
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
)

var functions = template.FuncMap{
	"label": stateLabel, "tone": stateTone, "ago": ago, "stamp": stamp, "rtt": rtt, "bytes": size, "count": count, "words": words, "moment": moment,
}

// state is how a state of a cluster is shown.
type state struct {
	name, label string
	tone        string // ok, warn, bad or idle
}

// states are in the order in which they are shown.
var states = []state{
	{"connected", "Connected", "ok"},
	{"reconnecting", "Reconnecting", "warn"},
	{"draining", "Draining", "warn"},
	{"incompatible", "Incompatible", "bad"},
	{"offline", "Offline", "bad"},
	{"never-connected", "Never connected", "idle"},
	{"disconnected", "Not known now", "warn"},
	{"unknown", "Unknown", "idle"},
}

func find(name string) (int, bool) {
	i := slices.IndexFunc(states, func(s state) bool { return s.name == name })
	return i, i >= 0
}

func stateLabel(name string) string {
	if i, ok := find(name); ok {
		return states[i].label
	}
	return name // of a later release
}

func stateTone(name string) string {
	if i, ok := find(name); ok {
		return states[i].tone
	}
	return "idle"
}

// sortedStates are the keys of counts in the order in which they are shown.
func sortedStates(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		i, known := find(a)
		j, also := find(b)
		switch {
		case known && also:
			return i - j
		case known:
			return -1
		case also:
			return 1
		}
		return strings.Compare(a, b)
	})
}

// instant is a time as it is shown, and since when.
type instant struct{ At, Now time.Time }

// moment is that of t, which is a time or a pointer to one.
func moment(t any, now time.Time) instant {
	if p, ok := t.(*time.Time); ok {
		return instant{*p, now}
	}
	return instant{t.(time.Time), now}
}

// ago is how long before now t was, or how long after.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	if d < 0 {
		if d > -5*time.Second {
			return "now"
		}
		return "in " + span(-d)
	}
	if d < 5*time.Second {
		return "now"
	}
	return span(d) + " ago"
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// rtt is a round trip of some microseconds.
func rtt(us int64) string {
	switch {
	case us < 100:
		return "< 0.1 ms"
	case us < 10_000:
		return fmt.Sprintf("%.1f ms", float64(us)/1000)
	}
	return fmt.Sprintf("%d ms", us/1000)
}

// size is a number of bytes.
func size(n int64) string {
	f, unit := float64(n), "B"
	for _, unit = range []string{"B", "KiB", "MiB", "GiB", "TiB"} {
		if f < 1024 || unit == "TiB" {
			break
		}
		f /= 1024
	}
	if unit == "B" || f >= 100 {
		return fmt.Sprintf("%.0f %s", f, unit)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

// count is a number with its thousands apart.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// words is a type of events for people.
func words(t api.EventType) string { return strings.ReplaceAll(string(t), ".", " ") }

// stamp is a time as programs read it, and with which people compare logs.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// eventTypes are the names under which server-sent events come.
func eventTypes() []string {
	var all []string
	for _, d := range events.Types() {
		all = append(all, string(d.Type))
	}
	return all
}
