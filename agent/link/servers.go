package link

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/fairlead-io/fairlead/subjects/natslink"
)

// CheckServers parses the broker's URLs and refuses those that cannot work or, unless
// insecure, would send in the clear.
func CheckServers(servers []string, insecure bool) ([]*url.URL, error) {
	if len(servers) == 0 {
		return nil, errors.New("server: none given")
	}
	var urls []*url.URL
	for _, s := range servers {
		check := natslink.CheckServer
		if insecure {
			check = natslink.ParseServer
		}
		u, err := check(s)
		if errors.Is(err, natslink.ErrInTheClear) {
			return nil, fmt.Errorf("server: %w, or permit it with --insecure-transport", err)
		}
		if err != nil {
			return nil, fmt.Errorf("server: %w", err)
		}
		urls = append(urls, u)
	}
	return urls, nil
}

// redact removes what could be a password.
func redact(s string) string {
	if u, err := url.Parse(s); err == nil {
		return natslink.ShownServer(u)
	}
	return "(unreadable)"
}
