package agent

import (
	"github.com/fairlead-io/fairlead/agent/allow"
	"github.com/fairlead-io/fairlead/agent/settings"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	wire "github.com/fairlead-io/fairlead/subjects/settings"
)

// newSettings returns what applies the settings of the platform to the agent.
func (a *Agent) newSettings() *settings.Applier {
	c := settings.Config{
		Accept: a.cfg.SettingsAccept, Labels: a.cfg.Labels, LogLevel: a.cfg.LogLevel, Announce: a.announce, Logger: a.log,
	}
	if !a.cfg.FixedMaxStreams {
		c.SetMaxStreams = a.setMaxStreams
	}
	if a.guard != nil {
		c.Restrict = a.restrict
	}
	return settings.New(c)
}

// setMaxStreams limits the streams of the link, and of later ones; 0: as configured.
func (a *Agent) setMaxStreams(n int) {
	a.limiting.Lock()
	defer a.limiting.Unlock()
	a.setStreams = n
	if l := a.link.Load(); l != nil {
		a.limit(l)
	}
}

// limitNew limits the streams of a new link, which is a.link.
func (a *Agent) limitNew(l *natslink.Agent) {
	a.limiting.Lock()
	defer a.limiting.Unlock()
	a.limit(l)
}

// limit sets the limit of a link. The caller holds limiting.
func (a *Agent) limit(l *natslink.Agent) {
	if a.setStreams > 0 {
		l.SetMaxStreams(a.setStreams)
	} else {
		l.SetMaxStreams(a.cfg.MaxStreams)
	}
}

// restrict narrows what the guard allows; nil: nothing.
func (a *Agent) restrict(r *wire.Restriction) {
	if r == nil {
		r = &wire.Restriction{}
	}
	// Each has one value that it can have.
	a.guard.Restrict(allow.Restriction{ReadOnly: r.ReadOnly != nil, NoExec: r.Exec != nil, NoSecrets: r.Secrets != nil})
}
