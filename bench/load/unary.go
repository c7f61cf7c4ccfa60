package load

import (
	"slices"
	"time"
)

// requestLimit bounds how long each of a number of requests may take on average.
const requestLimit = 20 * time.Millisecond

func (c *Client) unary(j Job, t target) (Result, error) {
	// A request that takes longer than requestLimit is as good as none.
	limit := j.duration() + time.Duration(j.Requests)*requestLimit + Grace
	conns, err := c.take(t, j.Conns, time.Now().Add(limit))
	if err != nil {
		return Result{}, err
	}
	samples := make([][]time.Duration, len(conns))
	start := time.Now()
	err = each(conns, func(i int, k conn) error {
		var err error
		samples[i], err = ask(k, t, start.Add(j.duration()), j.Requests, j.pace(start, i))
		return err
	})
	elapsed := time.Since(start)
	if err != nil {
		closeAll(conns)
		return Result{}, err
	}
	c.put(t, conns)
	all := slices.Concat(samples...)
	r := Result{Count: len(all), Seconds: elapsed.Seconds()}
	r.P50, r.P99 = Quantiles(all)
	return r, nil
}

// ask makes requests one after the other: number requests, or, if that is 0, as many
// as end before until, and at least one. It returns how long each took.
// It waits for its turn by p.
func ask(k conn, t target, until time.Time, number int, p pace) ([]time.Duration, error) {
	request := t.request("GET", PathUnary, -1)
	scratch := make([]byte, bufferSize)
	samples := make([]time.Duration, 0, max(number, 1<<12))
	for now := time.Now(); ; {
		now = p.wait(now)
		if _, err := exchange(k, request, scratch); err != nil {
			return nil, err
		}
		end := time.Now()
		samples = append(samples, end.Sub(now))
		now = end
		if number > 0 && len(samples) == number || number == 0 && !now.Before(until) {
			return samples, nil
		}
	}
}

// pace says when a connection makes its requests. One that is late makes those that it has
// missed without a pause, so that the rate is that which was asked for as far as the target
// can serve it.
type pace struct {
	next     time.Time
	interval time.Duration // 0: at once
}

// pace is that of connection i: the connections take turns.
func (j Job) pace(start time.Time, i int) pace {
	if j.Rate == 0 {
		return pace{}
	}
	each := time.Second / time.Duration(j.Rate)
	return pace{next: start.Add(time.Duration(i) * each), interval: time.Duration(j.Conns) * each}
}

// wait waits until it is time for the next request, and returns when that is.
func (p *pace) wait(now time.Time) time.Time {
	if p.interval == 0 {
		return now
	}
	if d := p.next.Sub(now); d > 0 {
		time.Sleep(d)
		now = time.Now()
	}
	p.next = p.next.Add(p.interval)
	return now
}
