package bridge

import (
	"testing"
)

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	for url, ok := range map[string]bool{
		"": true, "https://h": true, "http://h:8080/": true, "https://h/a/b": true,
		"h": false, "ftp://h": false, "https://u:p@h": false, "https://h?x": false, "https://": false, "https://h/#f": false,
	} {
		_, err := New(Config{Tenants: r.pool, Authenticator: r.server.cfg.Authenticator, PublicURL: url})
		if (err == nil) != ok {
			t.Errorf("public URL %q: %v", url, err)
		}
	}
	if _, err := New(Config{Authenticator: r.server.cfg.Authenticator}); err == nil {
		t.Error("no tenants: no error")
	}
	if _, err := New(Config{Tenants: r.pool}); err == nil {
		t.Error("no authenticator: no error")
	}
}
