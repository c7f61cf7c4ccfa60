package settings

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/fairlead-io/fairlead/subjects/settings"

	"github.com/fairlead-io/fairlead/subjects"
)

// interval is the least time between two messages that are applied: enough for any
// platform, and little work for an agent that a broken one floods.
const interval = 100 * time.Millisecond

// Config says what the platform may set, and how it is applied.
type Config struct {
	// Accept are the fields that the platform may set.
	Accept []string
	// Labels are the owner's own, which win key by key.
	Labels map[string]string
	// LogLevel is the level of the agent's log, which is the owner's when New is called;
	// nil: the owner has fixed it.
	LogLevel *slog.LevelVar
	// SetMaxStreams limits concurrent requests; 0 stands for no limit of the platform. Nil:
	// the owner has fixed it.
	SetMaxStreams func(int)
	// Restrict narrows what requests are executed; nil stands for no restriction. It is
	// needed if restrictions are accepted.
	Restrict func(*wire.Restriction)
	// Announce has the presence sent now.
	Announce func()
	// Logger gets the log.
	Logger *slog.Logger
}

// CheckAccept says what is wrong with a list of fields.
func CheckAccept(fields []string) error {
	for _, f := range fields {
		if !slices.Contains(wire.Fields(), f) {
			return fmt.Errorf("%q is not one of labels, logLevel, limits, restrict", f)
		}
	}
	return nil
}

// Applier is safe for concurrent use.
type Applier struct {
	cfg     Config
	level   slog.Level    // the owner's
	arrived chan arrival  // the latest message
	cluster atomic.Uint64 // how many clusters were served before, by [Applier.Reset]

	mu     sync.Mutex // guards the rest, and is held while settings are applied
	state  subjects.SettingsState
	labels map[string]string
	until  time.Time // when the owner's level counts again; zero: never
}

// arrival is a message, and the cluster for which it came.
type arrival struct {
	message []byte
	cluster uint64
}

// New returns an applier without settings.
func New(cfg Config) *Applier {
	a := &Applier{cfg: cfg, arrived: make(chan arrival, 1), labels: maps.Clone(cfg.Labels)}
	a.state.Accepts = slices.Clone(cfg.Accept)
	if cfg.LogLevel != nil {
		a.level = cfg.LogLevel.Level()
	}
	return a
}

// Receive takes a message of a bridge. It neither blocks nor keeps the bytes.
func (a *Applier) Receive(message []byte) {
	message = slices.Clone(message[:min(len(message), wire.MaxMessage+1)]) // what is longer is refused
	m := arrival{message, a.cluster.Load()}
	for {
		select {
		case a.arrived <- m:
			return
		default:
		}
		select {
		case <-a.arrived: // the newer one counts
		default:
		}
	}
}

// Run applies what [Applier.Receive] gets until ctx ends.
func (a *Applier) Run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	ended := time.NewTimer(time.Hour) // of the level
	defer ended.Stop()
	for {
		arrived := a.arrived
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		for waiting := true; waiting; {
			ended.Reset(a.endLevel(time.Now()))
			select {
			case m := <-arrived:
				a.receive(m)
				waiting = false
			case <-ended.C:
			case <-ctx.Done():
				return
			}
		}
		pause.Reset(interval)
	}
}

// maxWait bounds how long a timer runs: a clock that is set must count soon.
const maxWait = time.Minute

// endLevel sets the owner's level back if its time has come, and returns when to look
// again.
func (a *Applier) endLevel(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.until.IsZero():
		return maxWait
	case now.Before(a.until):
		return min(a.until.Sub(now), maxWait)
	}
	a.until = time.Time{}
	a.cfg.LogLevel.Set(a.level)
	a.cfg.Logger.Info("the time of the log level that the platform set is over", "level", a.level)
	return maxWait
}

func (a *Applier) receive(m arrival) {
	defer a.cfg.Announce()
	s, err := wire.Parse(m.message)
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.cluster != a.cluster.Load() { // it was taken from arrived before the reset
		return
	}
	if s != nil && s.Revision == a.state.Revision && err == nil {
		a.state.Refused, a.state.Error = "", ""
		return
	}
	var next effect
	if err == nil {
		next, err = a.effectOf(s)
	}
	if err == nil {
		a.applyAndSay(&next)
		return
	}
	was := a.state
	a.state.Refused, a.state.Error = "", err.Error()
	if s != nil {
		a.state.Refused = s.Revision
	}
	if clean := a.state.Clean(); clean.Error != was.Error || clean.Refused != was.Refused {
		a.cfg.Logger.Warn("settings of the platform refused", "revision", a.state.Refused, "error", clean.Error)
	}
	a.state = *a.state.Clean()
}

// effect is what settings mean for this agent. It is made before anything is changed.
type effect struct {
	revision   string
	overridden []string
	labels     map[string]string
	level      *wire.Level       // nil: the owner's
	maxStreams int               // 0: the owner's
	restrict   *wire.Restriction // nil: none
}

func (a *Applier) effectOf(s *wire.Settings) (effect, error) {
	e := effect{revision: s.Revision, labels: maps.Clone(a.cfg.Labels)}
	override := func(field string) { e.overridden = append(e.overridden, field) }
	may := func(field string) bool { return slices.Contains(a.cfg.Accept, field) }
	switch {
	case len(s.Labels) == 0:
	case !may(wire.Labels):
		override(wire.Labels)
	default:
		e.labels = maps.Clone(s.Labels)
		for _, key := range slices.Sorted(maps.Keys(a.cfg.Labels)) {
			if pushed, ok := s.Labels[key]; ok && pushed != a.cfg.Labels[key] {
				override(wire.Labels + "." + key)
			}
			e.labels[key] = a.cfg.Labels[key]
		}
		if err := subjects.CheckLabels(e.labels); err != nil {
			return effect{}, fmt.Errorf("%s: with those of the agent's own configuration: %w", wire.Labels, err)
		}
	}
	if s.LogLevel != nil {
		if e.level = s.LogLevel; !may(wire.LogLevel) || a.cfg.LogLevel == nil {
			e.level = nil
			override(wire.LogLevel)
		}
	}
	if s.Limits != nil {
		if e.maxStreams = s.Limits.MaxStreams; !may(wire.Limits) || a.cfg.SetMaxStreams == nil {
			e.maxStreams = 0
			override(wire.Limits)
		}
	}
	if s.Restrict != nil {
		if e.restrict = s.Restrict; !may(wire.Restrict) {
			e.restrict = nil
			override(wire.Restrict)
		}
	}
	return e, nil
}

// applyAndSay applies settings and has it in the log, by whichever of the two levels lets
// more through: the platform can make an agent log less, but not without a word.
func (a *Applier) applyAndSay(e *effect) {
	say := func() {
		a.cfg.Logger.Info("settings of the platform applied", "revision", e.revision, "overridden", e.overridden)
	}
	if a.cfg.LogLevel != nil && a.levelOf(e) > a.cfg.LogLevel.Level() {
		say()
		a.apply(e)
		return
	}
	a.apply(e)
	say()
}

// levelOf is the level of the log by settings: the owner's, if there is none or its time
// is over.
func (a *Applier) levelOf(e *effect) slog.Level {
	level := a.level
	if e.level != nil && (e.level.Until == nil || time.Now().Before(*e.level.Until)) {
		_ = level.UnmarshalText([]byte(e.level.Level)) // it is one of four
	}
	return level
}

// apply cannot fail. The caller holds mu.
func (a *Applier) apply(e *effect) {
	a.state = *(&subjects.SettingsState{Revision: e.revision, Accepts: a.cfg.Accept, Overridden: e.overridden}).Clean()
	a.labels = e.labels
	if a.cfg.LogLevel != nil {
		a.until = time.Time{}
		if e.level != nil && e.level.Until != nil {
			a.until = *e.level.Until // endLevel sees it if it is over
		}
		a.cfg.LogLevel.Set(a.levelOf(e))
	}
	if a.cfg.SetMaxStreams != nil {
		a.cfg.SetMaxStreams(e.maxStreams)
	}
	if a.cfg.Restrict != nil {
		a.cfg.Restrict(e.restrict)
	}
}

// Reset goes back to what there was before any settings came: they were those of another
// cluster.
func (a *Applier) Reset() {
	select {
	case <-a.arrived:
	default:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cluster.Add(1)
	e, _ := a.effectOf(&wire.Settings{})
	a.apply(&e)
}

// State is what presence tells of settings. It must not be changed.
func (a *Applier) State() *subjects.SettingsState {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.state
	return &s
}

// Labels are those of the agent's configuration and of the settings. They must not be
// changed.
func (a *Applier) Labels() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.labels
}
