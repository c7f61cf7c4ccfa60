package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/tunnel"
)

// drainLogInterval is how often a drain logs what it still waits for: often
// enough for a person who has pressed Ctrl-C.
const drainLogInterval = 5 * time.Second

// shutdownTurn is how long a new HTTP/2 connection may go on unaware of a drain.
const shutdownTurn = time.Second

// Drain stops listening, ends watches, and waits for other running requests and
// upgraded connections to end. When ctx ends first, it ends the remaining ones and
// returns ctx's error. It logs what it waits for.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	drained := make(chan struct{})
	var logging sync.WaitGroup
	logging.Go(func() { s.logDrain(ctx, drained) })
	var within error
	var connections sync.WaitGroup
	connections.Go(func() { within = s.connections.Shutdown(ctx) })
	err := s.shutdown(ctx)
	connections.Wait()
	err = errors.Join(err, within)
	upgraded := make(chan struct{})
	go func() {
		defer close(upgraded)
		s.tunnel.Wait()
	}()
	select {
	case <-upgraded:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.connections.Settle(ctx)
	close(drained)
	logging.Wait()
	s.cancel(tunnel.ErrStopping) // hijacked connections watch it too
	<-upgraded
	s.Close()
	return err
}

// shutdown is [http.Server.Shutdown], which tells the HTTP/2 connections that there
// are when it is called to go away. One whose handshake ends later would serve
// requests and hold it up for the whole drain, so it is called again and again.
func (s *Server) shutdown(ctx context.Context) error {
	for {
		turn, cancel := context.WithTimeout(ctx, shutdownTurn)
		err := s.http.Shutdown(turn)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// Close ends everything at once.
func (s *Server) Close() {
	s.draining.Store(true)
	s.leave()
	s.cancel(tunnel.ErrStopping)
	_ = s.http.Close()
	s.connections.Close()
	s.tunnel.Wait()
}

// Draining reports whether the server takes no new connections.
func (s *Server) Draining() bool { return s.draining.Load() }

// logDrain logs what Drain waits for, at once and at intervals, until drained is
// closed or ctx ends.
func (s *Server) logDrain(ctx context.Context, drained <-chan struct{}) {
	t := time.NewTicker(drainLogInterval)
	defer t.Stop()
	for {
		upgraded := s.tunnel.Upgraded()
		requests := max(s.running.Load()-upgraded, 0)
		left := ""
		if end, ok := ctx.Deadline(); ok {
			left = ", up to " + max(time.Until(end), 0).Round(100*time.Millisecond).String()
		}
		s.cfg.Logger.Info(fmt.Sprintf("draining: %s and %s%s",
			count(requests, "request"), count(upgraded, "upgraded connection"), left))
		select {
		case <-t.C:
		case <-drained:
			return
		case <-ctx.Done():
			return
		}
	}
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ready returns the reason why the server takes no requests, nil if it does.
func (s *Server) ready(ctx context.Context) error {
	switch {
	case s.Draining():
		return tunnel.ErrStopping
	case s.cfg.Ready != nil:
		return s.cfg.Ready(ctx)
	}
	return nil
}
