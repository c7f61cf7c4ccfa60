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
	err = each(conns, func(i int, k *conn) error {
		var err error
		samples[i], err = ask(k, t, start.Add(j.duration()), j.Requests)
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
func ask(k *conn, t target, until time.Time, number int) ([]time.Duration, error) {
	request := t.request("GET", PathUnary, -1)
	scratch := make([]byte, bufferSize)
	samples := make([]time.Duration, 0, max(number, 1<<12))
	for now := time.Now(); ; {
		if _, err := k.exchange(request, scratch); err != nil {
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
