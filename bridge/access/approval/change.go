package approval

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

// Ask keeps a request of the caller, which somebody must approve. Whether the caller
// may ask for the grant is decided before.
func (d *Desk) Ask(ctx context.Context, c *access.Caller, grant string, ref subjects.ClusterRef, reason string, duration time.Duration) (Request, error) {
	switch {
	case !plain(reason) || strings.TrimSpace(reason) == "":
		return Request{}, fmt.Errorf("%w: reason: say in one line of at most %d bytes, without invisible characters, what the access is for", ErrBad, MaxReason)
	case duration < MinDuration || duration > MaxDuration:
		return Request{}, fmt.Errorf("%w: duration: %v is not between %s", ErrBad, duration, Durations)
	}
	if err := fits(c); err != nil {
		return Request{}, err
	}
	now := time.Now().UTC()
	asked := Request{
		ID: "ar-" + strings.ToLower(rand.Text()[:20]), Caller: who(c), Names: names(c), Grant: grant, Cluster: ref.String(), Reason: reason,
		Duration: duration, Created: now, State: Pending, Until: now.Add(pendingFor),
	}
	return d.change(ctx, func(all map[string]Request) (r, instead Request, err error) {
		id, err := room(all, &asked, now)
		return asked, all[id], err
	})
}

// Decide approves or denies a pending request. Whether by may decide is decided
// before.
func (d *Desk) Decide(ctx context.Context, id string, by *access.Caller, approve bool, note string) (Request, error) {
	if !plain(note) {
		return Request{}, fmt.Errorf("%w: note: more than one line, over %d bytes, or with invisible characters", ErrBad, MaxReason)
	}
	if err := fits(by); err != nil {
		return Request{}, err
	}
	return d.change(ctx, func(all map[string]Request) (r, instead Request, err error) {
		now := time.Now().UTC()
		r, ok := all[id]
		switch r = r.at(now); {
		case !ok:
			return r, none, ErrUnknown
		case r.State != Pending:
			return r, none, fmt.Errorf("%w: it is %s", ErrDecided, r.State)
		case approve:
			if err := r.ownBy(by); err != nil {
				return r, none, err
			}
		}
		r.State, r.DecidedBy, r.DecidedAt, r.Note, r.Until = Denied, who(by), now, note, now
		if approve {
			r.State, r.Until = Approved, now.Add(r.Duration)
		}
		return r, none, nil
	})
}

// End ends a request that is pending or approved, and what runs under it. Whether by
// may is decided before. Where the end cannot be kept, an approval counts no more at this
// bridge until it is restarted, and the error says so: other bridges do not know of it.
func (d *Desk) End(ctx context.Context, id string, by *access.Caller) (Request, error) {
	r, err := d.end(ctx, id, by)
	if errors.Is(err, ErrStore) && d.halt(id) {
		err = fmt.Errorf("%w; what ran under it at this bridge was stopped, and the approval does not count here until the bridge is restarted; at other bridges it may still count", err)
	}
	return r, err
}

func (d *Desk) end(ctx context.Context, id string, by *access.Caller) (Request, error) {
	if err := fits(by); err != nil {
		return Request{}, err
	}
	return d.change(ctx, func(all map[string]Request) (r, instead Request, err error) {
		now := time.Now().UTC()
		r, ok := all[id]
		switch r = r.at(now); {
		case !ok:
			return r, none, ErrUnknown
		case r.State != Pending && r.State != Approved:
			return r, none, fmt.Errorf("%w: it is %s", ErrDecided, r.State)
		}
		r.State, r.EndedBy, r.EndedAt, r.Until = Ended, who(by), now, now
		return r, none, nil
	})
}

// none is no request.
var none Request

// change keeps what make returns: a request, and the one in whose place it comes. make is
// called again if another bridge was faster.
func (d *Desk) change(ctx context.Context, make func(all map[string]Request) (r, instead Request, err error)) (Request, error) {
	t := time.NewTimer(maxWait)
	defer t.Stop()
	select {
	case <-d.changing:
		defer func() { d.changing <- struct{}{} }()
	case <-ctx.Done():
		return Request{}, context.Cause(ctx)
	case <-t.C:
		return Request{}, fmt.Errorf("%w: earlier changes have not been written within %v", ErrStore, maxWait)
	}
	for range maxAttempts {
		r, instead, err := d.prepare(make)
		if err == nil {
			err = r.checkSize()
		}
		if err != nil {
			return Request{}, err
		}
		err = d.store.Put(ctx, r, instead)
		switch {
		case err == nil:
			return r, nil
		case errors.Is(err, ErrFull):
			return Request{}, err
		case !errors.Is(err, ErrChanged):
			return Request{}, fmt.Errorf("%w: %w", ErrStore, err)
		}
	}
	return Request{}, fmt.Errorf("%w: %w, %d times", ErrStore, ErrChanged, maxAttempts)
}

func (d *Desk) prepare(make func(all map[string]Request) (r, instead Request, err error)) (r, instead Request, err error) {
	if err := d.err(); err != nil {
		return none, none, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return none, none, fmt.Errorf("%w: the bridge is shutting down", ErrStore)
	}
	return make(d.requests)
}

// plain reports whether a text is one line that looks the same to whoever writes and
// whoever reads it: it has no control character, no separator of lines, and no invisible
// character of format, which can reverse the order in which a text is shown.
func plain(s string) bool {
	return len(s) <= MaxReason && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(c rune) bool { return unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) })
}
