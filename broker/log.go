package broker

import (
	"fmt"
	"log/slog"
	"sync"
)

// serverLog passes what nats-server says to slog and keeps its first fatal
// error: a server that cannot start says so here and nowhere else.
type serverLog struct {
	log   *slog.Logger
	once  sync.Once
	fatal chan struct{} // closed with the first fatal error
	err   error         // valid once fatal is closed
}

func newServerLog(log *slog.Logger) *serverLog {
	return &serverLog{log: log, fatal: make(chan struct{})}
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Info(fmt.Sprintf(format, v...)) }
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l *serverLog) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }

// Tracef says nothing: traces are messages, and a CONNECT holds a JWT.
func (l *serverLog) Tracef(string, ...any) {}

func (l *serverLog) Fatalf(format string, v ...any) {
	l.fail(fmt.Errorf(format, v...))
}

func (l *serverLog) fail(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.fatal)
	})
}
