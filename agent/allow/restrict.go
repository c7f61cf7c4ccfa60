package allow

import "github.com/fairlead-io/fairlead/deploy/requestinfo"

// Restriction narrows what a list allows. Its zero value narrows nothing.
type Restriction struct {
	ReadOnly, NoExec, NoSecrets bool
}

// Restrict replaces the restriction that holds besides the list: requests must pass both,
// so that none is allowed by it. Running requests that it does not allow are ended before
// it returns.
func (g *Guard) Restrict(r Restriction) {
	if r == (Restriction{}) {
		g.narrow.Store(nil)
		return
	}
	l := &List{}
	if r.ReadOnly {
		l.ReadOnly = &r.ReadOnly
	}
	no := false
	if r.NoExec {
		l.Exec = &no
	}
	if r.NoSecrets {
		l.Secrets = &no
	}
	g.narrow.Store(l)
	g.endWhatIsNoLongerAllowed("the platform has restricted requests to this cluster")
}

// restricts says why a restriction, which is nil for none, does not leave a request.
func (l *List) restricts(r *Request, info *requestinfo.Info) *Refusal {
	if l == nil {
		return nil
	}
	refusal := l.judgeRequest(r, info)
	if refusal != nil {
		refusal.platform = true
	}
	return refusal
}
