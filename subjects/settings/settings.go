package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// MaxMessage is the largest message in bytes: labels of [subjects.MaxLabelBytes], and some hundred
// bytes besides.
const MaxMessage = 4 << 10

// MaxRevision is the longest revision in bytes.
const MaxRevision = 64

// The fields, as errors, the flags of agents and [subjects.SettingsState] name them.
const (
	Labels   = "labels"
	LogLevel = "logLevel"
	Limits   = "limits"
	Restrict = "restrict"
)

// Fields returns the names of all fields.
func Fields() []string { return []string{Labels, LogLevel, Limits, Restrict} }

// ErrSettings is wrapped by the errors of [Parse] and [Settings.Check].
var ErrSettings = errors.New("settings cannot be used")

// Settings are what the platform sets of the agents of a cluster. A field that is absent
// leaves the agent's own value.
type Settings struct {
	// Revision names this content: any text of the form of [CheckRevision].
	Revision string `json:"revision"`
	// Labels are added to those of the agent's configuration.
	Labels   map[string]string `json:"labels,omitempty"`
	LogLevel *Level            `json:"logLevel,omitempty"`
	Limits   *Limit            `json:"limits,omitempty"`
	Restrict *Restriction      `json:"restrict,omitempty"`
}

// Level is how much the agent logs.
type Level struct {
	Level string `json:"level"` // debug, info, warn or error
	// Until is when the agent's own level counts again, by its clock; nil: never.
	Until *time.Time `json:"until,omitempty"`
}

// Limit bounds what an agent instance takes.
type Limit struct {
	// MaxStreams is the most concurrent requests.
	MaxStreams int `json:"maxStreams"`
}

// Restriction narrows what requests the agent executes, in the words of its allow-list.
// Each is nil or the one value that narrows.
type Restriction struct {
	ReadOnly *bool `json:"readOnly,omitempty"` // true
	Exec     *bool `json:"exec,omitempty"`     // false
	Secrets  *bool `json:"secrets,omitempty"`  // false
}

// Levels are those that [Level] can have.
func Levels() []string { return []string{"debug", "info", "warn", "error"} }

// Append appends s as a message. The error says that it is larger than [MaxMessage].
func Append(b []byte, s *Settings) ([]byte, error) {
	j, err := json.Marshal(s)
	if err != nil {
		return b, fmt.Errorf("encode settings: %w", err)
	}
	if len(j) > MaxMessage {
		return b, fmt.Errorf("%w: %d bytes, at most %d allowed", ErrSettings, len(j), MaxMessage)
	}
	return append(b, j...), nil
}

// Parse reads a message and checks it. The error wraps [ErrSettings]; the settings are
// returned with it if their revision could be read, so that it can be said which were
// refused. The result shares no memory with b.
func Parse(b []byte) (*Settings, error) {
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("%w: %d bytes, at most %d allowed", ErrSettings, len(b), MaxMessage)
	}
	var s Settings
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(&s)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		return revisionOf(b), fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if err := CheckRevision(s.Revision); err != nil {
		return nil, err
	}
	return &s, s.Check()
}

// revisionOf reads the revision of settings that cannot be read otherwise, such as those
// of a newer bridge; nil if there is none.
func revisionOf(b []byte) *Settings {
	var only struct {
		Revision string `json:"revision"`
	}
	if json.Unmarshal(b, &only) != nil || CheckRevision(only.Revision) != nil {
		return nil
	}
	return &Settings{Revision: only.Revision}
}

var revisionForm = regexp.MustCompile(`^[0-9a-z]([0-9a-z-]*[0-9a-z])?$`)

// CheckRevision says what is wrong with a revision: it is 1 to [MaxRevision] digits,
// lower-case letters and '-'.
func CheckRevision(s string) error {
	if len(s) > MaxRevision || !revisionForm.MatchString(s) {
		return fmt.Errorf("%w: revision %.80q is not 1 to %d of a-z, 0-9 and '-'", ErrSettings, s, MaxRevision)
	}
	return nil
}

// Check says which field has a value that no agent takes. It does not look at the
// revision.
func (s *Settings) Check() error {
	if err := subjects.CheckLabels(s.Labels); err != nil {
		return fault(Labels, err)
	}
	if l := s.LogLevel; l != nil {
		if !slices.Contains(Levels(), l.Level) {
			return fault(LogLevel+".level", fmt.Errorf("%.40q is not one of debug, info, warn, error", l.Level))
		}
		if l.Until != nil && (l.Until.UTC().Year() < 1970 || l.Until.UTC().Year() > 9999) {
			return fault(LogLevel+".until", errors.New("it is not between the years 1970 and 9999"))
		}
	}
	if l := s.Limits; l != nil && (l.MaxStreams < 1 || l.MaxStreams > subjects.MaxStreams) {
		return fault(Limits+".maxStreams", fmt.Errorf("%d is not between 1 and %d", l.MaxStreams, subjects.MaxStreams))
	}
	return s.Restrict.check()
}

func (r *Restriction) check() error {
	if r == nil {
		return nil
	}
	for _, f := range []struct {
		name  string
		value *bool
		want  bool
	}{{"readOnly", r.ReadOnly, true}, {"exec", r.Exec, false}, {"secrets", r.Secrets, false}} {
		if f.value != nil && *f.value != f.want {
			return fault(Restrict+"."+f.name, fmt.Errorf("%t would allow more than the cluster's owner does: it can be %t, or absent", *f.value, f.want))
		}
	}
	return nil
}

func fault(field string, err error) error { return fmt.Errorf("%w: %s: %w", ErrSettings, field, err) }
