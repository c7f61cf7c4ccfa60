package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// firstPause and maxPause bound the pause before a cluster is asked again.
	firstPause, maxPause = time.Second, 30 * time.Second
	// lookInterval is how often it is looked whether a cluster is back. It costs a lookup in
	// memory.
	lookInterval = 500 * time.Millisecond
	// judgeInterval is how often it is asked meanwhile whether the caller may still know of
	// the cluster, which may cost a question to another service.
	judgeInterval = 5 * time.Second
)

// member is a cluster of a watch. It is used by one goroutine.
type member struct {
	*run
	ref     subjects.ClusterRef
	name    string
	version string        // from which it goes on; "": it is listed first
	told    bool          // objects were told that a new list makes void
	lost    bool          // the client was told that it waits, or goes on from a version
	why     *answer.Kind  // for which the client was told that it waits; nil: it does not
	pause   time.Duration // before the next request
}

// watch tells the events of the cluster until ctx ends, or for as long as the cluster can
// be watched.
func (m *member) watch(ctx context.Context) {
	m.pause = firstPause
	for ctx.Err() == nil {
		if f := m.await(ctx); f != nil {
			return
		}
		begun := time.Now()
		f := m.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > maxPause {
			m.pause = firstPause
		}
		switch {
		case f == errGone:
			m.version = ""
		case f != nil && f.Kind == answer.Unauthenticated:
			// The credential has ended, and the whole watch does too: the cluster does not.
		case f != nil && final(f):
			_ = m.write(&api.WatchLine{State: api.WatchEnded, Problem: f.For(m.name).Problem(m.id)})
			return
		case f != nil:
			if m.waits(f) != nil {
				return
			}
		}
		sleep.For(ctx, m.pause-rand.N(m.pause/2)) // not all at the same moment
		m.pause = min(2*m.pause, maxPause)
	}
}

// once lists the cluster if need be, and watches it.
func (m *member) once(ctx context.Context) *answer.Failure {
	visit, f := m.session.Visit(m.name)
	if f != nil {
		return f
	}
	if m.version == "" {
		if m.told {
			if f := m.write(&api.WatchLine{State: api.WatchReset}); f != nil {
				return f
			}
			m.told = false
		}
		if f := m.list(ctx, visit); f != nil {
			m.version = ""
			return f
		}
		m.told, m.lost, m.why = true, false, nil
		if f := m.write(&api.WatchLine{State: api.WatchStarted, ResourceVersion: m.version}); f != nil {
			return f
		}
	}
	return m.follow(ctx, visit)
}

// resumed tells that the events go on.
func (m *member) resumed() *answer.Failure {
	m.told = true
	if !m.lost {
		return nil
	}
	m.lost, m.why = false, nil
	return m.write(&api.WatchLine{State: api.WatchResumed, ResourceVersion: m.version})
}

// waits tells that there are no events for now, once for each reason.
func (m *member) waits(f *answer.Failure) *answer.Failure {
	if f.Kind == answer.OutcomeUnknown {
		// A watch has no outcome that could be unknown: its agent went away, that is all.
		f = answer.Failf(answer.Reconnecting, "the agent of cluster %q went away, or the way to it", m.name)
	}
	if m.why == f.Kind {
		return nil
	}
	m.lost, m.why = true, f.Kind
	return m.write(&api.WatchLine{State: api.WatchWaiting, Problem: f.For(m.name).Problem(m.id)})
}

// final reports whether a failure is one that the next request would have too.
func final(f *answer.Failure) bool {
	if f.Kind == answer.ResponseTooLarge {
		return true
	}
	s := f.Kind.Status
	return s >= 400 && s < 500 && f.Kind != answer.RateLimited && f.Kind != answer.Overloaded && f.Kind != answer.APIServerBusy
}

// await waits until an agent of the cluster is connected. The failure is that ctx has
// ended, or that nothing can be written.
func (m *member) await(ctx context.Context) *answer.Failure {
	for {
		// Nobody learns from the wait whether there is a cluster that it may not see.
		if !m.visible(ctx) {
			return nil // the request says why
		}
		conn, err := m.s.Tenants.Acquire(ctx, m.ref.Tenant)
		if err != nil && ctx.Err() == nil {
			why := tunnel.Explain(ctx, m.name, nil, err)
			if final(why) { // there is no such tenant
				return nil // the request says so
			}
			if f := m.waits(why); f != nil {
				return f
			}
			sleep.For(ctx, firstPause)
			continue
		}
		if err != nil {
			return answer.Failf(answer.ClientGone, "%w", err)
		}
		back, f := m.connected(ctx, conn)
		conn.Release()
		if back || f != nil {
			return f
		}
	}
}

// visible reports whether the caller may know of the cluster now.
func (m *member) visible(ctx context.Context) bool {
	now, f := m.visitor.Current(ctx)
	if f != nil {
		return false
	}
	visible, f := now.Visible(ctx, m.ref)
	return f == nil && visible
}

// connected waits until an agent is connected, or the connection of the tenant is another.
// It is back as well if the caller may not know of the cluster any more.
func (m *member) connected(ctx context.Context, conn *tenant.Conn) (back bool, f *answer.Failure) {
	var a directory.Attempt
	in, err := conn.Directory().Pick(ctx, m.ref.Cluster, &a) // asks one that was not heard yet
	if err == nil {
		in.Release()
		return true, nil
	}
	if ctx.Err() == nil {
		if f := m.waits(tunnel.Explain(ctx, m.name, conn, err)); f != nil {
			return false, f
		}
	}
	tick, judge := time.NewTicker(lookInterval), time.NewTicker(judgeInterval)
	defer tick.Stop()
	defer judge.Stop()
	for {
		select {
		case <-tick.C:
		case <-judge.C:
			if !m.visible(ctx) {
				return true, nil
			}
		case <-conn.Retired():
			return false, nil
		case <-ctx.Done():
			return false, answer.Failf(answer.ClientGone, "%w", context.Cause(ctx))
		}
		if conn.Directory().Cluster(m.ref.Cluster).State == directory.Connected {
			return true, nil
		}
	}
}

// write writes a line of the cluster. What cannot be a line is the cluster's fault, and
// its alone.
func (m *member) write(l *api.WatchLine) *answer.Failure {
	l.Cluster = m.name
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	// An object may be nested as deep as JSON that is read may be, and the line is deeper.
	if err := e.Encode(l); err != nil || !json.Valid(b.Bytes()) {
		return answer.Failf(answer.ResponseTooLarge, "the cluster has sent an object that is nested too deep")
	}
	if err := m.send(json.RawMessage(b.Bytes())); err != nil {
		return answer.Failf(answer.ClientGone, "%w", err)
	}
	return nil
}
