package broker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// maxLinesPerSecond bounds what nats-server logs: it writes a line for every
// refused message, so that any agent could fill a disk.
const maxLinesPerSecond = 100

// serverLog passes what nats-server says to slog and keeps its first fatal
// error: a server that cannot start says so here and nowhere else.
type serverLog struct {
	log   *slog.Logger
	once  sync.Once
	fatal chan struct{} // closed with the first fatal error
	err   error         // valid once fatal is closed

	mu         sync.Mutex // guards what follows
	second     int64      // in which lines are counted
	lines      int
	suppressed int
}

func newServerLog(log *slog.Logger) *serverLog {
	return &serverLog{log: log, fatal: make(chan struct{})}
}

func (l *serverLog) Noticef(format string, v ...any) { l.write(slog.LevelInfo, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.write(slog.LevelError, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }

// Tracef says nothing: traces are messages, and a CONNECT holds a JWT.
func (l *serverLog) Tracef(string, ...any) {}

func (l *serverLog) Fatalf(format string, v ...any) {
	l.once.Do(func() {
		l.err = fmt.Errorf(format, v...)
		close(l.fatal)
	})
}

func (l *serverLog) write(level slog.Level, format string, v []any) {
	ctx := context.Background() // nats-server's loggers have none
	if !l.log.Enabled(ctx, level) {
		return
	}
	ok, suppressed := l.admit(time.Now().Unix())
	if suppressed > 0 {
		l.log.Warn("nats-server logged too much", "lines_left_out", suppressed)
	}
	if ok {
		l.log.Log(ctx, level, fmt.Sprintf(format, v...))
	}
}

// admit counts a line; in the first of a second it tells how many were left
// out before.
func (l *serverLog) admit(second int64) (ok bool, suppressed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second != l.second {
		suppressed, l.second, l.lines, l.suppressed = l.suppressed, second, 0, 0
	}
	if l.lines >= maxLinesPerSecond {
		l.suppressed++
		return false, suppressed
	}
	l.lines++
	return true, suppressed
}
