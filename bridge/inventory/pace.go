package inventory

import "time"

const (
	// judgeBurst and judgeInterval bound how often a cluster is judged: an agent that comes
	// and goes all the time fills neither log nor store, and what it is in the end is told.
	judgeBurst    = 10
	judgeInterval = 10 * time.Second
)

// pace is a bucket of tokens. Its zero value is full.
type pace struct{ spent time.Time }

// refund gives a token back.
func (p *pace) refund() { p.spent = p.spent.Add(-judgeInterval) }

// take takes a token, and reports whether there was one.
func (p *pace) take(now time.Time) bool {
	if from := now.Add(-judgeBurst * judgeInterval); p.spent.Before(from) {
		p.spent = from
	}
	if p.spent.Add(judgeInterval).After(now) {
		return false
	}
	p.spent = p.spent.Add(judgeInterval)
	return true
}
