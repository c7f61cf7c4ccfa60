package apply

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/deploy/nearest"
)

// Bounds of the options.
const (
	defaultTimeout  = 5 * time.Minute
	maxTimeout      = 30 * time.Minute
	defaultManager  = "fairlead-apply"
	maxManager      = 128 // bytes, as in Kubernetes
	maxPruneTargets = 64  // kinds, and namespaces, that are named
)

// options are those of one apply.
type options struct {
	manager   string
	force     bool
	dryRun    bool
	namespace string // of objects that name none
	timeout   time.Duration
	timeoutOf string // whose it is, as in [answer.TimeLimit]
	// prune selects what is deleted if it is not in the body; nil: nothing is.
	prune           labels.Selector
	pruneKinds      []schema.GroupVersionKind
	pruneNamespaces []string
}

// known are the parameters of the query.
var known = []string{"fieldManager", "force", "dryRun", "namespace", "timeout", "prune", "pruneKind", "pruneNamespace"}

// readOptions reads them from a query.
func readOptions(query string) (*options, error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	for name, values := range q {
		switch {
		case !slices.Contains(known, name):
			if near := nearest.Name(name, known); near != "" {
				return nil, fmt.Errorf("query: unknown parameter %.100q; did you mean %s?", name, near)
			}
			return nil, fmt.Errorf("query: unknown parameter %.100q; there are %s", name, strings.Join(known, ", "))
		case len(values) > 1 && !strings.HasPrefix(name, "prune"), len(values) > 1 && name == "prune":
			return nil, fmt.Errorf("query: %s is given more than once", name)
		}
	}
	o := &options{manager: defaultManager, namespace: "default", timeout: defaultTimeout, timeoutOf: call.OfBridge}
	for _, read := range []func(url.Values) error{o.readApply, o.readTimes, o.readPrune} {
		if err := read(q); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (o *options) readApply(q url.Values) (err error) {
	if q.Has("fieldManager") {
		o.manager = q.Get("fieldManager")
		if o.manager == "" || len(o.manager) > maxManager || strings.ContainsFunc(o.manager, control) {
			return fmt.Errorf("fieldManager: want a name of at most %d bytes", maxManager)
		}
	}
	if q.Has("force") {
		if o.force, err = strconv.ParseBool(q.Get("force")); err != nil {
			return errors.New("force: want true or false")
		}
	}
	switch q.Get("dryRun") {
	case "":
		if q.Has("dryRun") {
			return errors.New("dryRun: want All")
		}
	case "All":
		o.dryRun = true
	default:
		return errors.New("dryRun: want All")
	}
	if q.Has("namespace") {
		o.namespace = q.Get("namespace")
		if wrong := validation.IsDNS1123Label(o.namespace); len(wrong) > 0 {
			return fmt.Errorf("namespace: %s", wrong[0])
		}
	}
	return nil
}

func (o *options) readTimes(q url.Values) error {
	if !q.Has("timeout") {
		return nil
	}
	t, err := time.ParseDuration(q.Get("timeout"))
	if err != nil || t < time.Second || t > maxTimeout {
		return fmt.Errorf("timeout: want a duration such as 2m, at least 1s and at most %s", maxTimeout)
	}
	o.timeout, o.timeoutOf = t, call.OfCaller
	return nil
}

func (o *options) readPrune(q url.Values) error {
	if !q.Has("prune") {
		if q.Has("pruneKind") || q.Has("pruneNamespace") {
			return errors.New("pruneKind and pruneNamespace need prune, the labels of what may be deleted")
		}
		return nil
	}
	s, err := labels.Parse(q.Get("prune"))
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	if !selects(s) {
		return errors.New("prune: want a selector with a label that what may be deleted must have, such as app=shop")
	}
	o.prune = s
	if len(q["pruneKind"]) > maxPruneTargets || len(q["pruneNamespace"]) > maxPruneTargets {
		return fmt.Errorf("pruneKind and pruneNamespace: at most %d each", maxPruneTargets)
	}
	for _, text := range q["pruneKind"] {
		k, err := parseKind(text)
		if err != nil {
			return err
		}
		o.pruneKinds = append(o.pruneKinds, k)
	}
	for _, ns := range q["pruneNamespace"] {
		if wrong := validation.IsDNS1123Label(ns); len(wrong) > 0 {
			return fmt.Errorf("pruneNamespace: %s", wrong[0])
		}
		o.pruneNamespaces = append(o.pruneNamespaces, ns)
	}
	return nil
}

// selects reports whether a selector demands a label: one that only says what must not be
// there selects nearly everything.
func selects(s labels.Selector) bool {
	all, selectable := s.Requirements()
	return selectable && slices.ContainsFunc(all, func(r labels.Requirement) bool {
		switch r.Operator() {
		case selection.Equals, selection.DoubleEquals, selection.In, selection.Exists:
			return true
		}
		return false
	})
}

// parseKind reads apps/v1/Deployment or v1/ConfigMap.
func parseKind(text string) (schema.GroupVersionKind, error) {
	i := strings.LastIndexByte(text, '/')
	if i > 0 {
		o, err := newObject([]byte(fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":"x"}}`, text[:i], text[i+1:])))
		if err == nil {
			return o.gvk, nil
		}
	}
	return schema.GroupVersionKind{}, fmt.Errorf("pruneKind: %.100q is not of the form apps/v1/Deployment or v1/ConfigMap", text)
}
