package load

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// bulkBuffer is how much is read or written at a time.
const bulkBuffer = 256 << 10

// endless is the size of a download that will be cut.
const endless = 1 << 50

func (c *Client) download(j Job, t target) (Result, error) {
	size := j.Bytes / int64(j.Conns)
	request := t.request("GET", fmt.Sprintf("%s?bytes=%d", PathBulk, size), -1)
	return c.bulk(j, t, func(k conn) error {
		n, err := exchange(k, request, make([]byte, bulkBuffer))
		if err == nil && n != size {
			err = fmt.Errorf("got %d bytes of %d", n, size)
		}
		return err
	})
}

func (c *Client) upload(j Job, t target) (Result, error) {
	size := j.Bytes / int64(j.Conns)
	request := t.request("POST", PathSink, size)
	return c.bulk(j, t, func(k conn) error {
		_, err := exchange(k, request, make([]byte, bufferSize))
		return err
	})
}

func (c *Client) bulk(j Job, t target, move func(conn) error) (Result, error) {
	// A rate under 1 MiB/s is as good as none.
	limit := time.Now().Add(Grace + time.Duration(j.Bytes>>20)*time.Second)
	conns, err := c.take(t, j.Conns, limit)
	if err != nil {
		return Result{}, err
	}
	start := time.Now()
	err = each(conns, func(_ int, k conn) error { return move(k) })
	elapsed := time.Since(start)
	if err != nil {
		closeAll(conns)
		return Result{}, err
	}
	c.put(t, conns)
	return Result{Count: j.Conns, Seconds: elapsed.Seconds(), Bytes: j.Bytes / int64(j.Conns) * int64(j.Conns)}, nil
}

// settleBytes is how much each bulk stream moves before small requests are
// measured beside it: more than any initial window.
const settleBytes = 2 << 20

func (c *Client) beside(j Job, t target) (Result, error) {
	deadline := time.Now().Add(j.duration() + Grace)
	apart := t
	apart.apart = true // another program's, mostly
	small, err := c.take(apart, 1, deadline)
	if err != nil {
		return Result{}, err
	}
	front := small[0]
	bulk, err := c.take(t, j.Conns, deadline)
	if err != nil {
		_ = front.Close()
		return Result{}, err
	}
	moved := make([]atomic.Int64, len(bulk))
	var settled sync.WaitGroup
	settled.Add(len(bulk))
	done := make(chan error, 1)
	go func() {
		request := t.request("GET", fmt.Sprintf("%s?bytes=%d", PathBulk, int64(endless)), -1)
		done <- each(bulk, func(i int, k conn) error { return flood(k, request, &moved[i], settled.Done) })
	}()
	settled.Wait() // bounded by the connections' deadlines

	before, start := sum(moved), time.Now()
	samples, err := ask(front, t, start.Add(j.duration()), 0, pace{})
	elapsed, bytes := time.Since(start), sum(moved)-before
	closeAll(bulk)
	if ferr := <-done; ferr != nil && !errors.Is(ferr, net.ErrClosed) {
		err = errors.Join(err, ferr)
	}
	if err != nil {
		_ = front.Close()
		return Result{}, err
	}
	c.put(apart, small)
	r := Result{Count: len(samples), Seconds: elapsed.Seconds(), Bytes: bytes}
	r.P50, r.P99 = Quantiles(samples)
	r.Cancel, err = c.quiet(j)
	return r, err
}

// flood fetches until the connection is closed. It calls settled once it has moved
// settleBytes or has failed.
func flood(k conn, request *request, moved *atomic.Int64, settled func()) error {
	var once sync.Once
	defer once.Do(settled)
	if err := k.send(request); err != nil {
		return err
	}
	block := make([]byte, bulkBuffer)
	for {
		n, err := k.Read(block)
		if moved.Add(int64(n)) >= settleBytes {
			once.Do(settled)
		}
		if err != nil {
			return err
		}
	}
}

func sum(v []atomic.Int64) (n int64) {
	for i := range v {
		n += v[i].Load()
	}
	return n
}
