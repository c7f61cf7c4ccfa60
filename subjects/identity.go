package subjects

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// ExtensionIdentity is the id of the extension that holds an [Identity]. It is
// critical: a request must not be executed as the agent instead.
const ExtensionIdentity = 1

// ExtensionReview is the id of the extension, without a value, of a request that must
// not be executed: the agent judges it, and asks the API server instead whether it
// would be allowed (SelfSubjectAccessReview), whose answer is the response.
const ExtensionReview = 3

// Identity is the Kubernetes user as whom an agent executes a request, by
// impersonation. It comes from a grant at the bridge, never from a header.
type Identity struct {
	User   string // never empty
	UID    string
	Groups []string
	Extra  map[string][]string // keys in lower case, as Kubernetes has them

	prepared *preparedIdentity // nil without Prepare
}

// preparedIdentity is an encoded identity. A copy of the identity may be changed, and
// has another address.
type preparedIdentity struct {
	of         *Identity
	extensions [1]Extension
}

// Prepare encodes the identity for all calls of [Identity.Extension] and
// [Identity.Extensions], whose error it returns. The identity must not be changed from then on; a copy of it may be, which is
// not prepared.
func (id *Identity) Prepare() error {
	id.prepared = nil
	e, err := id.Extension()
	if err == nil {
		id.prepared = &preparedIdentity{id, [1]Extension{e}}
	}
	return err
}

// Extensions is a list of [Identity.Extension] alone. It has no room for more, and must not
// be changed.
func (id *Identity) Extensions() ([]Extension, error) {
	if p := id.prepared; p != nil && p.of == id {
		return p.extensions[:], nil
	}
	e, err := id.Extension()
	if err != nil {
		return nil, err
	}
	return []Extension{e}, nil
}

// Extension encodes the identity. The error wraps [ErrHead] where it names no user,
// and [ErrHeadTooLarge] where it is larger than [MaxExtensionBytes].
func (id *Identity) Extension() (Extension, error) {
	if p := id.prepared; p != nil && p.of == id {
		return p.extensions[0], nil
	}
	if id.User == "" {
		return Extension{}, fmt.Errorf("%w: identity without a user", ErrHead)
	}
	b := appendString(nil, id.User)
	b = appendString(b, id.UID)
	b = appendStrings(b, id.Groups)
	b = binary.AppendUvarint(b, uint64(len(id.Extra)))
	for _, k := range slices.Sorted(maps.Keys(id.Extra)) {
		b = appendString(b, k)
		b = appendStrings(b, id.Extra[k])
	}
	if len(b) > MaxExtensionBytes {
		return Extension{}, fmt.Errorf("%w: identity of %d bytes, at most %d allowed", ErrHeadTooLarge, len(b), MaxExtensionBytes)
	}
	return Extension{ID: ExtensionIdentity, Value: string(b)}, nil
}

func appendStrings(b []byte, ss []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(ss)))
	for _, s := range ss {
		b = appendString(b, s)
	}
	return b
}

// ParseIdentity is the inverse of [Identity.Extension]. The error wraps [ErrHead].
func ParseIdentity(value string) (*Identity, error) {
	r := headReader{s: value}
	id := &Identity{User: r.str(), UID: r.str(), Groups: r.strings()}
	n := r.uint()
	if n > uint64(len(r.s)-r.pos)/2 {
		r.fail("more extra keys than bytes")
		n = 0
	}
	last := ""
	for i := range n {
		k := r.str()
		if r.fault == "" && i > 0 && k <= last {
			r.fail("extra keys out of order")
		}
		last = k
		values := r.strings()
		if r.fault != "" {
			break
		}
		if id.Extra == nil {
			id.Extra = make(map[string][]string, n)
		}
		id.Extra[k] = values
	}
	if id.User == "" {
		r.fail("no user")
	}
	if err := r.end("identity"); err != nil {
		return nil, err
	}
	return id, nil
}

// strings reads a number and so many strings; nil where there are none.
func (r *headReader) strings() []string {
	n := r.uint()
	if n > uint64(len(r.s)-r.pos) { // each takes at least a byte
		r.fail("more strings than bytes")
	}
	if n == 0 || r.fault != "" {
		return nil
	}
	ss := make([]string, 0, n)
	for range n {
		ss = append(ss, r.str())
	}
	return ss
}

// Equal reports whether both are the same user with the same attributes, or both nil.
func (id *Identity) Equal(other *Identity) bool {
	if id == nil || other == nil {
		return id == other
	}
	return id.User == other.User && id.UID == other.UID && slices.Equal(id.Groups, other.Groups) &&
		maps.EqualFunc(id.Extra, other.Extra, slices.Equal)
}
