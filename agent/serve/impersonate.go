package serve

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/subjects"
)

// identityOf returns the user whom the head's extension names; nil: none.
func identityOf(extensions []subjects.Extension) (*subjects.Identity, error) {
	for _, e := range extensions {
		if e.ID != subjects.ExtensionIdentity {
			continue
		}
		id, err := subjects.ParseIdentity(e.Value)
		if err != nil {
			return nil, fault.Newf(subjects.CodeProtocol, "extension %d: %w", e.ID, err)
		}
		return id, nil
	}
	return nil, nil
}

// setIdentity adds the headers that make the API server execute a request as id. The
// header has been cleaned before: what it claimed itself is gone. It writes them as
// client-go does. Groups and values keep their order.
func setIdentity(h http.Header, id *subjects.Identity) error {
	set := func(name string, values ...string) error {
		for _, v := range values {
			// net/http would trim spaces, and the user would be another one.
			if v == "" || !httpguts.ValidHeaderFieldValue(v) || strings.TrimSpace(v) != v {
				return fault.Newf(subjects.CodeBadRequest, "%s: the value cannot be sent in a header", name)
			}
		}
		if len(values) > 0 {
			h[name] = values
		}
		return nil
	}
	err := set("Impersonate-User", id.User)
	if err == nil && id.UID != "" {
		err = set("Impersonate-Uid", id.UID)
	}
	if err == nil {
		err = set("Impersonate-Group", id.Groups...)
	}
	for k, values := range id.Extra {
		if err == nil {
			err = set(http.CanonicalHeaderKey("Impersonate-Extra-"+escapeExtra(k)), values...)
		}
	}
	return err
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
