package policy

import (
	"log/slog"
	"reflect"
)

// part is a part of the policy that the file may leave out. It is never changed.
type part[C any, P any] struct {
	config *C // nil: the file has none
	made   *P // nil: as config
}

// next is the part as c has it. A part whose configuration is the same is shared with
// the version before.
func (p part[C, P]) next(c *C, open func(C, *slog.Logger) (*P, error), log *slog.Logger) (part[C, P], error) {
	if reflect.DeepEqual(c, p.config) {
		return p, nil
	}
	if c == nil {
		return part[C, P]{}, nil
	}
	made, err := open(*c, log)
	if err != nil {
		return part[C, P]{}, err
	}
	return part[C, P]{config: c, made: made}, nil
}

// closeExcept closes the part unless kept is the same one.
func (p part[C, P]) closeExcept(kept part[C, P], closePart func(*P)) {
	if p.made != nil && p.made != kept.made {
		closePart(p.made)
	}
}
