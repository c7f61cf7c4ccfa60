package events

import (
	"fmt"
	"strconv"
	"strings"
)

// position is where an event is in a log. Sequences of one epoch grow; another epoch is
// another log, such as that of a process in memory.
type position struct {
	epoch, sequence uint64
}

// maxPosition bounds the text of a position.
const maxPosition = 40

func (p position) String() string {
	return strconv.FormatUint(p.epoch, 36) + "-" + strconv.FormatUint(p.sequence, 10)
}

// parsePosition is the inverse of [position.String]. "" is the zero value.
func parsePosition(s string) (position, error) {
	if s == "" {
		return position{}, nil
	}
	epoch, sequence, ok := strings.Cut(s, "-")
	if ok && len(s) <= maxPosition {
		e, err := strconv.ParseUint(epoch, 36, 64)
		if err == nil {
			var q uint64
			if q, err = strconv.ParseUint(sequence, 10, 64); err == nil {
				return position{e, q}, nil
			}
		}
	}
	return position{}, fmt.Errorf("%w: %q", ErrPosition, clean(s, maxPosition))
}
