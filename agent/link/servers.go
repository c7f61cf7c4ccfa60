package link

import (
	"net/url"

	"github.com/fairlead-io/fairlead/subjects/natslink"
)

// redact removes what could be a password.
func redact(s string) string {
	if u, err := url.Parse(s); err == nil {
		return natslink.ShownServer(u)
	}
	return "(unreadable)"
}
