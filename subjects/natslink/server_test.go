package natslink

import (
	"strings"
	"testing"
)

func TestCheckServer(t *testing.T) {
	for url, want := range map[string]string{
		"tls://broker:4222": "", "wss://git.example.com/-/fairlead/?token=secret": "", "nats://localhost:4222": "",
		"nats://127.0.0.1:4222": "", "ws://[::1]:80": "", "nats://127.8.8.8": "",
		"nats://broker:4222": "only allowed on loopback", "ws://10.0.0.1": "only allowed on loopback",
		"nats://localhost.example.com": "only allowed on loopback",
		"broker:4222":                  "not a URL", "": "not a URL", "tls://": "not a URL", "tls://:4222": "not a URL",
		"tls://u:secret@": "not a URL", "tls://b:secret": "not a URL", "/x?secret": "not a URL",
		"https://broker": `scheme "https"`, "tls://u:secret@broker": "has a user", "nats://secret@127.0.0.1": "has a user",
		"tls://a:4222,tls://b:4222": "several", "tls://a,b": "several", "tls://a tls://b": "not a URL",
	} {
		u, err := CheckServer(url)
		switch {
		case want == "" && (err != nil || u == nil):
			t.Errorf("%s: %v", url, err)
		case want != "" && (err == nil || u != nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, %v, want %q", url, u, err, want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: %v shows a secret", url, err)
		case u != nil && strings.Contains(ShownServer(u), "secret"):
			t.Errorf("%s is shown as %s", url, ShownServer(u))
		}
	}
}
