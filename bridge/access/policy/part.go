package policy

import (
	"log/slog"
	"reflect"
	"sync/atomic"
)

// part is a part of the policy that the file may leave out. What has changed in the
// file takes the place of what was there, which is then closed.
type part[C any, P any] struct {
	open    func(C, *slog.Logger) (*P, error)
	close   func(*P)
	config  *C // of current; only apply touches it
	current atomic.Pointer[P]
}

// change is what a new version of the file makes of parts. Either undo is called, or
// swap and then finish, which closes what was there: requests that this concerns are
// decided about again, and all that is new must be in place by then.
type change struct{ swap, finish, undo func() }

// prepare makes the part as c has it; nil: none.
func (p *part[C, P]) prepare(c *C, log *slog.Logger) (change, error) {
	if reflect.DeepEqual(c, p.config) {
		return change{func() {}, func() {}, func() {}}, nil
	}
	var next *P
	if c != nil {
		var err error
		if next, err = p.open(*c, log); err != nil {
			return change{}, err
		}
	}
	var old *P
	return change{
		swap: func() { p.config, old = c, p.current.Swap(next) },
		finish: func() {
			if old != nil {
				p.close(old)
			}
		},
		undo: func() {
			if next != nil {
				p.close(next)
			}
		},
	}, nil
}

// end closes the part.
func (p *part[C, P]) end() {
	if last := p.current.Swap(nil); last != nil {
		p.close(last)
	}
}
