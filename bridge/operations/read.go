package operations

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
)

const (
	defaultPage = 50
	// maxPage bounds a page: each operation of it is read from the store, and has about
	// 4 KiB of a result.
	maxPage = 200
	// pageReaders is how many are read at a time.
	pageReaders = 16
)

// get answers with one operation.
func (x *exchange) get() *answer.Failure {
	_, v, f := x.find("get")
	if f != nil {
		return f
	}
	answer.JSON(x.w, x.r, x.rec, http.StatusOK, v.view())
	return nil
}

// states are all that a filter may name.
var states = []api.OperationState{
	api.OperationQueued, api.OperationRunning, api.OperationSucceeded, api.OperationFailed, api.OperationExpired, api.OperationCanceled, api.OperationUnknown,
}

// selection is what a list asks for.
type selection struct {
	states []api.OperationState // empty: all
	limit  int
	before uint64 // a position; 0: none
}

func (x *exchange) selection() (*selection, *answer.Failure) {
	sel := &selection{limit: defaultPage}
	for key, values := range x.r.URL.Query() {
		for _, text := range values {
			if f := sel.read(key, text); f != nil {
				return nil, f
			}
		}
	}
	return sel, nil
}

func (sel *selection) read(key, text string) *answer.Failure {
	switch key {
	case "state":
		for one := range strings.SplitSeq(text, ",") {
			if !slices.Contains(states, api.OperationState(one)) {
				return bad("state: %q is not a state of operations", answer.Clip(one))
			}
			sel.states = append(sel.states, api.OperationState(one))
		}
	case "limit":
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return bad("limit: want a number from 1 to %d", maxPage)
		}
		sel.limit = n
	case "after":
		position, err := strconv.ParseUint(text, 10, 64)
		if err != nil || position == 0 {
			return bad("after: want the next of an answer")
		}
		sel.before = position
	default:
		return bad("unknown parameter %q: want state, limit or after", answer.Clip(key))
	}
	return nil
}

// list answers with operations of the cluster: those that the caller made, or all if a
// grant says so.
func (x *exchange) list() *answer.Failure {
	sel, f := x.selection()
	if f == nil {
		f = x.known()
	}
	if f != nil {
		return f
	}
	all, me := x.may("list", "") == nil, whoOf(x.visit.Caller)
	entries, more := x.index.page(x.visit.Cluster, sel.before, sel.limit, func(e *entry) bool {
		return (all || e.by == me) && (len(sel.states) == 0 || slices.Contains(sel.states, e.state))
	})
	values, err := x.fetch(entries)
	if err != nil {
		return storeFailure(err, "the operations could not be read")
	}
	list := api.OperationList{Operations: []api.Operation{}}
	for _, v := range values {
		if v != nil {
			list.Operations = append(list.Operations, v.view())
		}
	}
	if more {
		list.Next = strconv.FormatUint(entries[len(entries)-1].position, 10)
	}
	answer.JSON(x.w, x.r, x.rec, http.StatusOK, list)
	return nil
}

// fetch reads the values of entries, in their order; nil for one that is gone.
func (x *exchange) fetch(entries []*entry) (values []*value, err error) {
	values = make([]*value, len(entries))
	var (
		readers sync.WaitGroup
		mu      sync.Mutex
		next    int
	)
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if next == len(entries) || err != nil {
			return -1
		}
		next++
		return next - 1
	}
	for range min(pageReaders, len(entries)) {
		readers.Go(func() {
			for i := take(); i >= 0; i = take() {
				e, failed := x.bucket.Get(x.r.Context(), keyOf(entries[i].ref, entries[i].id))
				if failed == nil {
					values[i], failed = decode(e.Key, e.Value)
				}
				if failed != nil && !errors.Is(failed, kv.ErrNotFound) {
					mu.Lock()
					err = failed
					mu.Unlock()
				}
			}
		})
	}
	readers.Wait()
	return values, err
}
