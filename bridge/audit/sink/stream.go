package sink

import (
	"io"
	"time"
)

// Stream writes lines to a writer, such as standard output. What it has written is
// with whoever reads: nothing is synced.
type Stream struct{ W io.Writer }

// Write implements [Sink].
func (s Stream) Write(lines []byte, _ bool) error {
	_, err := s.W.Write(lines)
	return err
}

// Tick implements [Sink].
func (Stream) Tick(time.Time) error { return nil }

// Close implements [Sink]. It leaves the writer open.
func (Stream) Close() error { return nil }
