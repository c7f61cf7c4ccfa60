package harness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// pollEvery is how often a condition is checked: processes do not report a
// change of state, so they are polled.
const pollEvery = 50 * time.Millisecond

// Until calls check until it returns nil. It gives up when ctx ends, when
// within has passed, or when p (which may be nil) has ended; the error then
// contains check's last error and the end of p's log.
func Until(ctx context.Context, what string, within time.Duration, p *Process, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not within %s", within))
	defer cancel()
	var ended <-chan struct{} // nil blocks for ever
	if p != nil {
		ended = p.Done()
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err // after the end of ctx the error may only say that ctx has ended
		}
		select {
		case <-ended:
			return fmt.Errorf("wait for %s: %w", what, p.Err())
		case <-ctx.Done():
			if p != nil {
				return fmt.Errorf("wait for %s: %w, last: %w, %s ends with:\n%s",
					what, context.Cause(ctx), last, p.Log(), Tail(p.Log(), 25))
			}
			return fmt.Errorf("wait for %s: %w, last: %w", what, context.Cause(ctx), last)
		case <-ticker.C:
		}
	}
}

// tailBytes bounds how much of a log is read for its tail.
const tailBytes = 32 << 10

// Tail returns the last lines of a file, each indented, for an error message.
// If the file cannot be read, it returns the reason instead.
func Tail(path string, lines int) string {
	data, err := readTail(path)
	if err != nil {
		return "    (no log: " + err.Error() + ")"
	}
	if len(data) == 0 {
		return "    (the log is empty)"
	}
	all := bytes.Split(data, []byte("\n"))
	all = all[max(0, len(all)-lines):]
	return "    " + string(bytes.Join(all, []byte("\n    ")))
}

func readTail(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(max(0, info.Size()-tailBytes), io.SeekStart); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, tailBytes))
	return bytes.TrimRight(data, "\n"), err
}
