package natsrun

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Within bounds the start of a server, on machines under load too.
const Within = 30 * time.Second

// Start starts a server, and returns when it takes connections. Whoever starts it stops it,
// with [Stop]. The options stay as they are, so that the server can be started again with
// them: with a port of package freeport it is then where it was.
func Start(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	s, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func start(o *server.Options) (*server.Server, error) {
	s, err := server.NewServer(o.Clone()) // it changes what it is given
	if err != nil {
		return nil, err
	}
	var said failure
	s.SetLogger(&said, false, false)
	s.Start()
	for end := time.Now().Add(Within); ; {
		ready := s.ReadyForConnections(100 * time.Millisecond)
		err := said.first()
		if err == nil && ready {
			return s, nil
		}
		if err == nil && time.Now().Before(end) {
			continue
		}
		Stop(s)
		if err == nil {
			err = fmt.Errorf("nats-server takes no connections within %v", Within)
		}
		return nil, err
	}
}

// Stop stops a server, and returns when nothing of it is left.
func Stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// failure is a logger that keeps the first fatal error, after which a server does not
// start.
type failure struct {
	mu  sync.Mutex
	err error // guarded by mu
}

func (f *failure) first() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Fatalf is the server's last word.
func (f *failure) Fatalf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = fmt.Errorf("nats-server: "+format, args...)
	}
}

func (*failure) Noticef(string, ...any) {}
func (*failure) Warnf(string, ...any)   {}
func (*failure) Errorf(string, ...any)  {}
func (*failure) Debugf(string, ...any)  {}
func (*failure) Tracef(string, ...any)  {}
