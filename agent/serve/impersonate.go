package serve

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
	authorization "k8s.io/api/authorization/v1"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/subjects"
)

// Bounds of [users].
const (
	// maxUsers is how many are kept: far more than use a cluster at the same time.
	maxUsers = 1024
	// maxUserBytes bounds their extensions together, in bytes. Decoded they take some four
	// times as much memory.
	maxUserBytes = 1 << 20
)

// users keeps the users as whom requests were executed, by the bytes of their extension:
// a bridge sends the same ones for all requests of a caller. When it is full it begins
// again. It is safe for concurrent use.
type users struct {
	mu    sync.RWMutex
	kept  map[string]*user
	bytes int
}

// user is a user as whom requests are executed. It is never changed, and nor are its
// slices, which many requests share.
type user struct {
	identity *subjects.Identity
	header   []field
	fault    error // why header cannot be sent; nil: it can
}

type field struct {
	name   string
	values []string
}

// of returns the user whom the head's extension names; nil: none.
func (k *users) of(extensions []subjects.Extension) (*user, error) {
	for _, e := range extensions {
		if e.ID == subjects.ExtensionIdentity {
			return k.get(e)
		}
	}
	return nil, nil
}

func (k *users) get(e subjects.Extension) (*user, error) {
	k.mu.RLock()
	u := k.kept[e.Value]
	k.mu.RUnlock()
	if u != nil {
		return u, nil
	}
	value := strings.Clone(e.Value) // the rest of the head is not to be kept
	id, err := subjects.ParseIdentity(value)
	if err != nil {
		return nil, fault.Newf(subjects.CodeProtocol, "extension %d: %w", e.ID, err)
	}
	u = &user{identity: id}
	if u.header, u.fault = headerOf(id); u.fault != nil {
		return u, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil || len(k.kept) == maxUsers || k.bytes+len(value) > maxUserBytes {
		k.kept, k.bytes = make(map[string]*user), 0
	}
	if k.kept[value] == nil {
		k.kept[value] = u
		k.bytes += len(value)
	}
	return u, nil
}

// of is the identity; nil: the agent itself.
func (u *user) of() *subjects.Identity {
	if u == nil {
		return nil
	}
	return u.identity
}

// claim adds the headers that make the API server execute a request as the user. The
// header has been cleaned before: what it claimed itself is gone.
func (u *user) claim(h http.Header) error {
	for i := range u.header {
		h[u.header[i].name] = u.header[i].values
	}
	return u.fault
}

// headerOf returns the headers of an identity, as client-go writes them. Groups and values
// keep their order.
func headerOf(id *subjects.Identity) (all []field, err error) {
	set := func(name string, values ...string) {
		for _, v := range values {
			// net/http would trim spaces, and the user would be another one.
			if v == "" || !httpguts.ValidHeaderFieldValue(v) || strings.TrimSpace(v) != v {
				err = fault.Newf(subjects.CodeBadRequest, "%s: the value cannot be sent in a header", name)
			}
		}
		if len(values) > 0 {
			all = append(all, field{name, slices.Clip(values)})
		}
	}
	set("Impersonate-User", id.User)
	if id.UID != "" {
		set("Impersonate-Uid", id.UID)
	}
	set("Impersonate-Group", id.Groups...)
	for k, values := range id.Extra {
		set(http.CanonicalHeaderKey("Impersonate-Extra-"+escapeExtra(k)), values...)
	}
	return all, err
}

// escapeExtra percent-encodes the key of an extra attribute as client-go does
// (k8s.io/client-go/transport, headerKeyEscape): the API server decodes it after it
// has made the header's name lower case.
func escapeExtra(key string) string {
	var b strings.Builder
	for i := range len(key) {
		c := key[i]
		if c == '%' || 'A' <= c && c <= 'Z' || !httpguts.ValidHeaderFieldName(key[i:i+1]) {
			const digits = "0123456789ABCDEF"
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// impersonations are the rights that it takes to act as an identity, by the API server's
// rules.
func impersonations(id *subjects.Identity) []authorization.ResourceAttributes {
	const group = "authentication.k8s.io"
	user := authorization.ResourceAttributes{Verb: "impersonate", Resource: "users", Name: id.User}
	if account, ok := strings.CutPrefix(id.User, "system:serviceaccount:"); ok {
		if namespace, name, ok := strings.Cut(account, ":"); ok {
			user.Resource, user.Namespace, user.Name = "serviceaccounts", namespace, name
		}
	}
	all := []authorization.ResourceAttributes{user}
	for _, name := range id.Groups {
		all = append(all, authorization.ResourceAttributes{Verb: "impersonate", Resource: "groups", Name: name})
	}
	if id.UID != "" {
		all = append(all, authorization.ResourceAttributes{Verb: "impersonate", Group: group, Resource: "uids", Name: id.UID})
	}
	for key, values := range id.Extra {
		for _, v := range values {
			all = append(all, authorization.ResourceAttributes{Verb: "impersonate", Group: group, Resource: "userextras", Subresource: key, Name: v})
		}
	}
	return all
}
