package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

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
		s := bufio.NewScanner(res.Body)
		s.Buffer(make([]byte, 0, 64<<10), mostBody)
		s.Split(wholeLines)
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

// wholeLines splits at ends of lines. What has none is cut off, and no line.
func wholeLines(data []byte, _ bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	return 0, nil, nil
}

// WatchOptions say what is watched, and where.
type WatchOptions struct {
	// Path is that of a list, such as /api/v1/pods?labelSelector=app%3Dshop.
	Path string
	// Clusters are the names of the clusters, each of them once.
	Clusters []string
	// Selector and Tenant select clusters instead, as they come and go: Selector is a label
	// selector of Kubernetes, "" selects every cluster that the caller may see.
	Selector *string
	Tenant   string
	// From are the resource versions from which the watches of clusters go on: that of the
	// last line of each, of an earlier stream. Clusters without one are listed first.
	From map[string]string
}

// Watch yields the events of a resource in many clusters, as they happen, with what there
// is as events ADDED first, and how the clusters are. Which lines there are says
// [api.WatchLine]; the summary is the last one. The last pair has an error if the stream
// broke: it can be gone on with by From. The watch ends when the loop does.
func (c *Client) Watch(ctx context.Context, o WatchOptions) iter.Seq2[api.WatchLine, error] {
	q := url.Values{"path": {o.Path}}
	if o.Clusters != nil {
		q.Set("clusters", strings.Join(o.Clusters, ","))
	}
	if o.Selector != nil {
		q.Set("selector", *o.Selector)
	}
	if o.Tenant != "" {
		q.Set("tenant", o.Tenant)
	}
	if len(o.From) > 0 {
		var from []string
		for _, cluster := range slices.Sorted(maps.Keys(o.From)) {
			from = append(from, fmt.Sprintf("%s:%s", cluster, o.From[cluster]))
		}
		q.Set("from", strings.Join(from, ","))
	}
	r := &request{method: http.MethodGet, path: []string{"v1", "watch"}, query: q, repeatable: true}
	return lines(ctx, c, r, nil, func(l api.WatchLine) bool { return l.Summary != nil })
}
