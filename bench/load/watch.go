package load

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// EventMark precedes the sending time, in nanoseconds since the Unix epoch, in every
// event of the upstream. Sender and reader share a clock.
const EventMark = `"sent":"`

func (c *Client) watch(j Job, t target) (Result, error) {
	conns, err := c.open(j, t)
	if err != nil {
		return Result{}, err
	}
	// The first interval is left out, so that every watch runs.
	start := time.Now().Add(time.Duration(j.Interval) * time.Millisecond)
	until := start.Add(j.duration())
	samples := make([][]time.Duration, len(conns))
	var over atomic.Bool
	stop := time.AfterFunc(time.Until(until), func() { over.Store(true); closeAll(conns) })
	defer stop.Stop()
	err = each(conns, func(i int, k conn) error {
		var err error
		samples[i], err = follow(k, start, until)
		if over.Load() && errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	})
	closeAll(conns)
	if err != nil {
		return Result{}, err
	}
	all := slices.Concat(samples...)
	if len(all) == 0 {
		return Result{}, errors.New("no event arrived")
	}
	r := Result{Count: len(all), Seconds: j.duration().Seconds()}
	r.P50, r.P99 = Quantiles(all)
	r.Cancel, err = c.quiet(j)
	return r, err
}

// follow reads events until the connection is closed, and returns the lag of the
// events that arrived in the measured time.
func follow(k conn, start, until time.Time) ([]time.Duration, error) {
	samples := make([]time.Duration, 0, 256)
	lines := bufio.NewReaderSize(k, 4<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return samples, err
		}
		now := time.Now()
		sent, err := sentAt(line)
		if err != nil {
			return nil, err
		}
		if now.After(start) && now.Before(until) {
			samples = append(samples, time.Duration(now.UnixNano()-sent))
		}
	}
}

func sentAt(line []byte) (int64, error) {
	for i := 0; i+len(EventMark) < len(line); i++ {
		if string(line[i:i+len(EventMark)]) != EventMark {
			continue
		}
		digits := line[i+len(EventMark):]
		for n, d := range digits {
			if d == '"' {
				return strconv.ParseInt(string(digits[:n]), 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("event without time: %.80q", line)
}

// open opens watches and returns when each has got its first event.
func (c *Client) open(j Job, t target) ([]conn, error) {
	request := t.request("GET", fmt.Sprintf("%s?watch=true&interval=%d", PathWatch, j.Interval), -1)
	deadline := time.Now().Add(j.duration() + Grace)
	dial, err := c.dialer(t)
	if err != nil {
		return nil, err
	}
	conns := make([]conn, j.Conns)
	// A server's accept queue is short.
	room := make(chan struct{}, 32)
	err = each(conns, func(i int, _ conn) error {
		room <- struct{}{}
		defer func() { <-room }()
		k, err := dial()
		if err != nil {
			return err
		}
		conns[i] = k
		_ = k.SetDeadline(deadline)
		if err := k.send(request); err != nil {
			return err
		}
		return firstEvent(k)
	})
	if err != nil {
		closeAll(slices.DeleteFunc(conns, func(k conn) bool { return k == nil }))
		return nil, err
	}
	return conns, nil
}

// firstEvent receives whole events, one at least.
func firstEvent(k conn) error {
	event := make([]byte, 4<<10)
	for {
		n, err := k.Read(event)
		if err != nil {
			return noEOF(err)
		}
		if n > 0 && event[n-1] == '\n' {
			return nil
		}
	}
}

func (c *Client) hold(j Job, t target) (Result, error) {
	start := time.Now()
	conns, err := c.open(j, t)
	if err != nil {
		return Result{}, err
	}
	for _, k := range conns {
		k.park()
	}
	c.held = append(c.held, conns...)
	return Result{Count: len(conns), Seconds: time.Since(start).Seconds()}, nil
}

func (c *Client) release(j Job, _ target) (Result, error) {
	n := len(c.held)
	closeAll(c.held)
	c.held = nil
	cancel, err := c.quiet(j)
	return Result{Count: n, Cancel: cancel}, err
}

// quiet waits until the upstream of a job serves no stream and returns how many seconds
// that took.
func (c *Client) quiet(j Job) (float64, error) {
	if j.Upstream == "" {
		return 0, nil
	}
	seconds, err := c.awaitQuiet(Job{URL: j.Upstream, CA: j.CA})
	if err != nil {
		return 0, fmt.Errorf("ask the upstream: %w", err)
	}
	return seconds, nil
}

func (c *Client) awaitQuiet(upstream Job) (float64, error) {
	t, err := parseTarget(upstream)
	if err != nil {
		return 0, err
	}
	t.apart = true
	start := time.Now()
	conns, err := c.take(t, 1, start.Add(Grace))
	if err != nil {
		return 0, err
	}
	defer func() { c.put(t, conns) }()
	request := t.request("GET", PathActive, -1)
	text := make([]byte, 32)
	for {
		n, err := exchange(conns[0], request, text)
		if err != nil {
			return 0, err
		}
		if string(text[:n]) == "0" {
			return time.Since(start).Seconds(), nil
		}
		if time.Since(start) > Grace/2 {
			return 0, fmt.Errorf("it still serves %s streams %s after they were cut", text[:n], Grace/2)
		}
		time.Sleep(2 * time.Millisecond) // the upstream does not announce the end of streams
	}
}
