package bridge

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// happening is something that happened to an object of a watchSource.
type happening struct {
	version int
	kind    string // ADDED, MODIFIED or DELETED
	name    string
}

func (h *happening) object(extra string) string {
	return fmt.Sprintf(`"metadata":{"name":%q,"resourceVersion":"%d"}%s`, h.name, h.version, extra)
}

// watchSource answers for an API server that has the pods of a cluster: lists in pages of
// two, and watches from a version.
type watchSource struct {
	mu      sync.Mutex
	log     []happening
	oldest  int           // the version from which it can be watched
	changed chan struct{} // closed when something has happened
	lists   atomic.Int64
	watches atomic.Int64
	// answer answers a request instead; false: it does not.
	answer func(head *subjects.RequestHead, s *stream.Stream) bool
}

func newWatchSource(names ...string) *watchSource {
	w := &watchSource{changed: make(chan struct{}), log: []happening{{version: 100}}, oldest: 100}
	for _, name := range names {
		w.happens("ADDED", name)
	}
	return w
}

// happens changes an object.
func (w *watchSource) happens(kind, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, happening{w.log[len(w.log)-1].version + 1, kind, name})
	close(w.changed)
	w.changed = make(chan struct{})
}

// forget makes the server forget what happened until now.
func (w *watchSource) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.oldest = w.log[len(w.log)-1].version + 1
}

// objects are those that there are, each as it was changed last, and the version.
func (w *watchSource) objects() (all []happening, version int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, h := range w.log {
		last := h.name != "" && h.kind != "DELETED"
		for _, later := range w.log[i+1:] {
			last = last && later.name != h.name
		}
		if last {
			all = append(all, h)
		}
	}
	return all, w.log[len(w.log)-1].version
}

func (w *watchSource) serve(head *subjects.RequestHead, s *stream.Stream) {
	if w.answer != nil && w.answer(head, s) {
		return
	}
	_, raw, _ := strings.Cut(head.Target, "?")
	q, _ := url.ParseQuery(raw)
	if q.Get("watch") == "" {
		w.list(q, s)
		return
	}
	w.watches.Add(1)
	from, err := strconv.Atoi(q.Get("resourceVersion"))
	if err != nil || q.Get("allowWatchBookmarks") == "" {
		reply(s, 400, `{"kind":"Status","message":"no version"}`, "Content-Type", "application/json")
		return
	}
	w.follow(from, s)
}

func (w *watchSource) list(q url.Values, s *stream.Stream) {
	w.lists.Add(1)
	all, version := w.objects()
	after, _ := strconv.Atoi(q.Get("continue"))
	var items []string
	next := ""
	for i, h := range all[min(after, len(all)):] {
		if i == 2 {
			next = strconv.Itoa(after + 2)
			break
		}
		items = append(items, "{"+h.object("")+"}")
	}
	reply(s, 200, fmt.Sprintf(`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"%d","continue":%q},"items":[%s]}`+"\n", version, next, strings.Join(items, ",")),
		"Content-Type", "application/json")
}

func (w *watchSource) follow(from int, s *stream.Stream) {
	w.mu.Lock()
	tooOld := from < w.oldest-1
	w.mu.Unlock()
	if tooOld {
		reply(s, 410, `{"kind":"Status","code":410,"reason":"Expired"}`, "Content-Type", "application/json")
		return
	}
	_, _ = s.Write(encodeHead(200, -1, "Content-Type", "application/json"))
	for {
		w.mu.Lock()
		var text strings.Builder
		for _, h := range w.log {
			if h.version > from {
				fmt.Fprintf(&text, `{"type":%q,"object":{"kind":"Pod","apiVersion":"v1",%s}}`+"\n", h.kind, h.object(""))
				from = h.version
			}
		}
		fmt.Fprintf(&text, `{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"%d"}}}`+"\n", from)
		changed := w.changed
		w.mu.Unlock()
		_, _ = s.Write([]byte(text.String()))
		_ = s.Flush()
		select {
		case <-changed:
		case <-s.Context().Done():
			return
		}
	}
}
