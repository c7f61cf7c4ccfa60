package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// CallStream makes a request as [Client.Call] does, and yields the response as it comes:
// the head, parts of the body, the end. The last pair has an error if the response broke,
// which is also when no end came. The request ends when the loop over it does.
func (c *Client) CallStream(ctx context.Context, cluster string, call api.Call) iter.Seq2[api.CallLine, error] {
	call.Stream = true
	r, err := callRequest(cluster, call)
	return lines(ctx, c, r, err, func(l api.CallLine) bool { return l.End != nil })
}

// FleetCall makes one request to the API server of each of many clusters, and yields what
// became of each as it comes, and the summary last. The last pair has an error if the
// response broke before the summary: of the clusters without a line the outcome is unknown
// then. The requests end when the loop does.
func (c *Client) FleetCall(ctx context.Context, call api.FleetCall) iter.Seq2[api.FleetLine, error] {
	r, err := post(call, "v1", "requests")
	if err == nil {
		r.repeatable = reads(call.Method)
	}
	return lines(ctx, c, r, err, func(l api.FleetLine) bool { return l.Summary != nil })
}

// lines sends a request, again where that is safe and nothing has come yet, and yields
// the lines of its response until one is the last.
func lines[T any](ctx context.Context, c *Client, r *request, err error, last func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err != nil {
			yield(none, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // a caller that breaks off ends the request
		r.accept = "application/x-ndjson"
		res, err := c.send(ctx, r)
		if err != nil {
			yield(none, err)
			return
		}
		defer res.Body.Close()
		s := scanner(res.Body)
		for s.Scan() {
			var line T
			if err := json.Unmarshal(s.Bytes(), &line); err != nil {
				yield(none, fmt.Errorf("%s: decode a line: %w", r, err))
				return
			}
			if !yield(line, nil) || last(line) {
				return
			}
		}
		err = s.Err()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		yield(none, fmt.Errorf("%s: the response broke: %w", r, err))
	}
}

// scanner reads lines.
func scanner(body io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(body)
	s.Buffer(make([]byte, 0, 64<<10), mostBody)
	s.Split(wholeLines)
	return s
}

// wholeLines splits at ends of lines. What has none is cut off, and no line.
func wholeLines(data []byte, _ bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	return 0, nil, nil
}
