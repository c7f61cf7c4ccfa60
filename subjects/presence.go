package subjects

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// PresenceState says whether an agent instance takes streams.
type PresenceState string

// The states.
const (
	PresenceUp       PresenceState = "up"       // takes requests
	PresenceDraining PresenceState = "draining" // finishes what it has, takes no more
	PresenceBye      PresenceState = "bye"      // stops now
)

// MaxVersion is the longest version of an agent or API server, in bytes, that a
// bridge keeps. Those of real ones have up to fifty.
const MaxVersion = 128

// Presence is what an agent instance announces every [HeartbeatInterval], when
// its state changes and when a bridge asks. It travels as JSON: unknown fields
// are ignored, so that newer agents can say more.
type Presence struct {
	// Protocol is the oldest and the newest protocol version spoken.
	Protocol [2]int        `json:"protocol"`
	State    PresenceState `json:"state"`
	// Version is the agent's own version.
	Version string `json:"version,omitempty"`
	// Started is when the instance started.
	Started time.Time `json:"started"`
	// Kubernetes is the API server's version, "" until it has answered.
	Kubernetes string `json:"kubernetes,omitempty"`
	// Reachable says whether the API server answered when last asked.
	Reachable bool `json:"reachable"`
	// Streams is how many streams the instance serves.
	Streams int `json:"streams"`
	// LastCause is the instance's latest failure, nil for none.
	LastCause *LastCause `json:"last_cause,omitempty"`
	// Labels are those of the agent's configuration, and of its settings.
	Labels map[string]string `json:"labels,omitempty"`
	// Settings is how the instance stands to the settings that bridges send; nil: it is
	// older, and takes none.
	Settings *SettingsState `json:"settings,omitempty"`
	// Detail is for people and inventories; nil: the instance is older, or had no room.
	Detail *Detail `json:"detail,omitempty"`
}

// ErrPresence is wrapped by the errors of [ParsePresence].
var ErrPresence = errors.New("malformed presence")

// AppendPresence appends p as JSON, without parts of its detail where that would be more
// than [MaxPresence] bytes, which no bridge would take. It refuses what is too long without
// all of it.
func AppendPresence(b []byte, p *Presence) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // each '<' would take six bytes
	if err := e.Encode(p); err != nil {
		return b, fmt.Errorf("encode presence: %w", err)
	}
	j := bytes.TrimRight(text.Bytes(), "\n")
	if len(j) > MaxPresence {
		if q := p.shorter(); q != nil {
			return AppendPresence(b, q)
		}
		return b, fmt.Errorf("encode presence: %d bytes, at most %d allowed", len(j), MaxPresence)
	}
	return append(b, j...), nil
}

// ParsePresence parses a presence message. Versions are of one line and cut to
// [MaxVersion] bytes, Started is in UTC, LastCause and Settings are clean, and labels that
// [CheckLabels] refuses are absent. The error wraps [ErrPresence]. The result shares no
// memory with b.
func ParsePresence(b []byte) (*Presence, error) {
	if len(b) > MaxPresence {
		return nil, fmt.Errorf("%w: %d bytes, at most %d allowed", ErrPresence, len(b), MaxPresence)
	}
	var p Presence
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPresence, err)
	}
	switch p.State {
	case PresenceUp, PresenceDraining, PresenceBye:
	default:
		return nil, fmt.Errorf("%w: state %s", ErrPresence, quoteShort(string(p.State)))
	}
	if p.Protocol[0] < 1 || p.Protocol[1] < p.Protocol[0] {
		return nil, fmt.Errorf("%w: protocol versions %v", ErrPresence, p.Protocol)
	}
	// An offset can take a time out of the years that JSON and RFC 3339 have, so
	// that it could not be written again.
	p.Started = p.Started.UTC()
	if y := p.Started.Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("%w: started in year %d", ErrPresence, y)
	}
	p.LastCause = p.LastCause.Clean()
	p.Settings = p.Settings.Clean()
	p.Detail = p.Detail.Clean()
	if CheckLabels(p.Labels) != nil {
		p.Labels = nil
	}
	p.Version, p.Kubernetes = oneLine(p.Version, MaxVersion), oneLine(p.Kubernetes, MaxVersion)
	return &p, nil
}

// oneLine cuts s to limit bytes of whole characters, and replaces those that are not
// printable: people see it in terminals. What is kept is a copy, so that the rest of a
// long text is not.
func oneLine(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if !unicode.IsPrint(r) {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return strings.Clone(b.String())
}

// Compatible reports whether this code and p's sender have a version in common.
func (p *Presence) Compatible() bool {
	return p.Protocol[0] <= Version && p.Protocol[1] >= MinVersion
}

// MaxCauseText is the longest text of a [LastCause], in bytes, that a bridge keeps.
const MaxCauseText = 128

// LastCause is what an agent instance tells of its latest failure: why it had no
// connection to a broker before this one or, while it cannot reach its API server, why
// not. Hop and cause are those of the catalogue in package cause; a newer agent may
// have others.
type LastCause struct {
	Hop   string `json:"hop"`
	Cause string `json:"cause"`
	// At is since when it failed.
	At time.Time `json:"at"`
	// Text says what came back, for people.
	Text string `json:"text,omitempty"`
}

// causeName is the form of a hop's and a cause's name.
var causeName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Clean returns c as others may see it: with a text of one line and at most
// [MaxCauseText] bytes, and a time in UTC. It is nil for nil and for one that is not
// well-formed, which counts as absent. It shares no memory with c's text.
func (c *LastCause) Clean() *LastCause {
	if c == nil || !causeName.MatchString(c.Hop) || !causeName.MatchString(c.Cause) {
		return nil
	}
	at := c.At.UTC()
	if y := at.Year(); y < 0 || y > 9999 { // such a time cannot be written again
		return nil
	}
	return &LastCause{Hop: c.Hop, Cause: c.Cause, At: at, Text: oneLine(c.Text, MaxCauseText)}
}

// Bounds of the texts of a [SettingsState], in bytes, that a bridge keeps.
const (
	MaxSettingsRevision = 64
	MaxSettingsError    = 200
	MaxSettingsFields   = 8 // of each list
	MaxSettingsField    = 40
)

// SettingsState is how an instance stands to the settings that bridges send (package
// settings).
type SettingsState struct {
	// Revision is that of the settings in use, "" while there are none.
	Revision string `json:"revision,omitempty"`
	// Accepts are the fields that the cluster's owner lets the platform set.
	Accepts []string `json:"accepts,omitempty"`
	// Overridden are the fields of these settings that have no effect, since the owner
	// has fixed them.
	Overridden []string `json:"overridden,omitempty"`
	// Refused is the revision of newer settings that could not be used, and Error says
	// why; both are "" if there are none.
	Refused string `json:"refused,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Clean returns s as others may see it: texts on one line and cut to their bounds. It is
// nil for nil, and shares no memory with s.
func (s *SettingsState) Clean() *SettingsState {
	if s == nil {
		return nil
	}
	return &SettingsState{
		Revision: oneLine(s.Revision, MaxSettingsRevision), Accepts: cleanFields(s.Accepts), Overridden: cleanFields(s.Overridden),
		Refused: oneLine(s.Refused, MaxSettingsRevision), Error: oneLine(s.Error, MaxSettingsError),
	}
}

func cleanFields(fields []string) (clean []string) {
	for _, f := range fields[:min(len(fields), MaxSettingsFields)] {
		clean = append(clean, oneLine(f, MaxSettingsField))
	}
	return clean
}

// Bounds of labels, so that they and all else fit presence.
const (
	MaxLabels     = 32
	MaxLabelBytes = 1536 // of all keys and values
)

var (
	labelName   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`)
	labelPrefix = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
)

// CheckLabels says what is wrong with labels, by the syntax of Kubernetes and the bounds
// above. It names the first key at fault.
func CheckLabels(labels map[string]string) error {
	if len(labels) > MaxLabels {
		return fmt.Errorf("%d labels, at most %d allowed", len(labels), MaxLabels)
	}
	size := 0
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		value := labels[key]
		if !isLabelKey(key) {
			return fmt.Errorf("%.80q is not the key of a label: an optional DNS name and '/', and 1 to 63 letters, digits, '-', '_' and '.'", key)
		}
		if value != "" && (len(value) > 63 || !labelName.MatchString(value)) {
			return fmt.Errorf("%s: %.80q is not the value of a label: at most 63 letters, digits, '-', '_' and '.'", key, value)
		}
		size += len(key) + len(value)
	}
	if size > MaxLabelBytes {
		return fmt.Errorf("%d bytes of keys and values, at most %d allowed", size, MaxLabelBytes)
	}
	return nil
}

func isLabelKey(key string) bool {
	if prefix, name, ok := strings.Cut(key, "/"); ok {
		if len(prefix) > 253 || !labelPrefix.MatchString(prefix) {
			return false
		}
		key = name
	}
	return len(key) <= 63 && labelName.MatchString(key)
}

// Bounds of the texts of a [Detail], in bytes, that a bridge keeps.
const (
	MaxHostName = 253 // of pod, node and broker, as DNS has it
	MaxPlatform = 64
)

// Detail is what an instance tells for people and inventories, beside what requests need.
// All of it is its own claim, and optional.
type Detail struct {
	// Pod and Node are where the agent runs, "" if it was not told.
	Pod  string `json:"pod,omitempty"`
	Node string `json:"node,omitempty"`
	// Platform is the operating system and architecture of the API server, such as
	// linux/amd64.
	Platform string `json:"platform,omitempty"`
	// Broker is the name of the broker node that the instance is connected to, Connected
	// since when, and RTT the latest round trip to it in microseconds; 0: not measured.
	Broker    string     `json:"broker,omitempty"`
	Connected *time.Time `json:"connected,omitempty"`
	RTT       int64      `json:"rtt_us,omitempty"`
	// Requests is how many the API server has answered, and Up and Down are the bytes to it
	// and from it, since the instance started.
	Requests int64 `json:"requests,omitempty"`
	Up       int64 `json:"bytes_up,omitempty"`
	Down     int64 `json:"bytes_down,omitempty"`
	// Expires is when the credentials in use expire; nil: never.
	Expires *time.Time `json:"expires,omitempty"`
}

// Clean returns d as others may see it: texts on one line and cut to their bounds, times in
// UTC, and without what cannot be. It is nil for nil, and shares no memory with d.
func (d *Detail) Clean() *Detail {
	if d == nil {
		return nil
	}
	return &Detail{
		Pod: oneLine(d.Pod, MaxHostName), Node: oneLine(d.Node, MaxHostName), Platform: oneLine(d.Platform, MaxPlatform),
		Broker: oneLine(d.Broker, MaxHostName), Connected: writable(d.Connected), Expires: writable(d.Expires),
		RTT: max(0, d.RTT), Requests: max(0, d.Requests), Up: max(0, d.Up), Down: max(0, d.Down),
	}
}

// writable returns a time in UTC; nil for one that cannot be written again.
func writable(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	if y := u.Year(); y < 0 || y > 9999 {
		return nil
	}
	return &u
}

// shorter returns p with one optional part less, in the order in which an instance goes
// without them where its presence would be too long: node, pod, broker, platform, and then
// all of the detail. It is nil if there is none left to go without.
func (p *Presence) shorter() *Presence {
	if p.Detail == nil {
		return nil
	}
	q, d := *p, *p.Detail
	q.Detail = &d
	switch {
	case d.Node != "":
		d.Node = ""
	case d.Pod != "":
		d.Pod = ""
	case d.Broker != "":
		d.Broker = ""
	case d.Platform != "":
		d.Platform = ""
	default:
		q.Detail = nil
	}
	return &q
}
