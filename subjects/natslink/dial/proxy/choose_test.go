package proxy

import (
	"net/url"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// environ sets the proxy variables to those of a line, and no others.
func environ(t *testing.T, line string) {
	t.Helper()
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
	for pair := range strings.FieldsSeq(line) {
		k, v, _ := strings.Cut(pair, "=")
		t.Setenv(k, strings.ReplaceAll(v, "_", " "))
	}
}

// TestFromEnvironment: which variable counts for which server.
func TestFromEnvironment(t *testing.T) {
	const p, q = "http://p:3128", "http://q:1"
	for _, test := range []struct {
		env, server, want string
	}{
		{"", "tls://b.example:4222", ""},
		{"HTTPS_PROXY=http://p:3128", "tls://b.example:4222", p},
		{"https_proxy=p:3128", "wss://b.example", p},
		{"HTTPS_PROXY=http://p:3128/", "wss://b.example", p + "/"},
		{"HTTPS_PROXY=http://u:%23%2F%3F@p", "wss://b.example", "http://u:%23%2F%3F@p"},
		{"HTTPS_PROXY=https://u:x@p", "wss://b.example", "https://u:x@p"},
		{"HTTPS_PROXY=socks5://u:x@p", "tls://b.example", "socks5://u:x@p"},
		{"HTTPS_PROXY=http://p:3128 https_proxy=http://q:1", "wss://b.example", q}, // as curl
		{"HTTPS_PROXY=http://p:3128", "wss://[2001:db8::1]/x", p},
		{"HTTPS_PROXY=http://p:3128", "tls://127.0.0.1:4222", ""},
		{"HTTPS_PROXY=http://p:3128", "wss://localhost", ""},

		{"HTTP_PROXY=http://p:3128", "wss://b.example", ""},
		{"HTTP_PROXY=what://p:3128", "wss://b.example", ""}, // never asked, so no reason to stop
		{"HTTP_PROXY=http://p:3128", "ws://b.example", p},
		{"http_proxy=http://p:3128 HTTP_PROXY=http://q:1", "nats://b.example", p},
		{"HTTP_PROXY=http://p:3128 REQUEST_METHOD=GET", "ws://b.example", p},
		{"HTTPS_PROXY=http://p:3128", "ws://b.example", ""},

		{"ALL_PROXY=socks5h://p", "tls://b.example", "socks5h://p"},
		{"all_proxy=http://p:3128 ALL_PROXY=http://q:1", "ws://b.example", p},
		{"ALL_PROXY=http://q:1 HTTPS_PROXY=http://p:3128", "wss://b.example", p},
		{"ALL_PROXY=http://q:1 HTTPS_PROXY=http://p:3128", "ws://b.example", q},
		{"ALL_PROXY=what://q HTTPS_PROXY=http://p:3128", "wss://b.example", p},
		{"ALL_PROXY=http://p:3128 NO_PROXY=b.example", "wss://b.example", ""},
		{"ALL_PROXY=http://p:3128", "wss://localhost", ""},
		{"HTTPS_PROXY=what://p NO_PROXY=b.example", "wss://b.example", ""},
	} {
		wantChoice(t, test.env, test.server, test.want)
	}
}

// TestNoProxy: the rules of NO_PROXY.
func TestNoProxy(t *testing.T) {
	const direct, proxied = "", "http://p:3128"
	for _, test := range []struct {
		list, server, want string
	}{
		{"b.example", "wss://b.example", direct},
		{"b.example", "wss://B.EXAMPLE", direct},
		{"B.Example", "wss://b.example", direct},
		{"b.example", "wss://a.b.example", direct}, // a name stands for those below it too
		{"b.example", "wss://ab.example", proxied},
		{".example", "wss://b.example", direct},
		{".b.example", "wss://b.example", proxied}, // only those below it
		{"*.b.example", "wss://a.b.example", direct},
		{"*.b.example", "wss://b.example", proxied},
		{"example", "wss://b.example.com", proxied},
		{"*", "tls://b.example:4222", direct},
		{"other, b.example", "wss://b.example", direct},
		{"other b.example", "wss://b.example", direct}, // as curl
		{",, ,", "wss://b.example", proxied},
		{"b.example:443", "wss://b.example", direct},
		{"b.example:443", "wss://b.example:8443", proxied},
		{"b.example:443", "tls://b.example", proxied}, // its port is 4222
		{"b.example:4222", "tls://b.example", direct},
		{"10.1.2.3", "tls://10.1.2.3:4222", direct},
		{"10.1.2.3:443", "tls://10.1.2.3:4222", proxied},
		{"10.0.0.0/8", "tls://10.1.2.3:4222", direct},
		{"10.0.0.0/16", "tls://10.1.2.3:4222", proxied},
		{"10.0.0.0/33", "tls://10.1.2.3:4222", proxied},
		{"0.0.0.0/0", "tls://b.example", proxied}, // names are not resolved for it
		{"2001:db8::/32", "wss://[2001:db8::1]/x", direct},
		{"[2001:db8::1]:443", "wss://[2001:db8::1]/x", direct},
		{"2001:db8::1", "wss://[2001:db8::2]", proxied},
	} {
		list := strings.ReplaceAll(test.list, " ", "_")
		for _, name := range []string{"NO_PROXY", "no_proxy"} {
			wantChoice(t, "HTTPS_PROXY=http://p:3128 "+name+"="+list, test.server, test.want)
		}
		wantChoice(t, "ALL_PROXY=http://p:3128 no_proxy="+list+" NO_PROXY=*", test.server, test.want)
	}
}

func wantChoice(t *testing.T, env, server, want string) {
	t.Helper()
	environ(t, env)
	u, _ := url.Parse(server)
	got, err := FromEnvironment()(u)
	text := ""
	if got != nil {
		text = got.String()
	}
	if err != nil || text != want {
		t.Errorf("%s, %s: got %q, %v, want %q", env, server, text, err, want)
	}
}

// TestBadProxyURL: a URL that cannot be used is never ignored, and never shown.
func TestBadProxyURL(t *testing.T) {
	server, _ := url.Parse("wss://b.example")
	for value, want := range map[string]string{
		"socks4://u:hunter2@p":  `type "socks4": only http, https, socks5 and socks5h`,
		"http://u:hunter2@":     "not the URL of a proxy",
		"http://u:hunter2@p:x":  "not the URL",
		"http://u:hunter2@p:0":  "port",
		"http://p:70000":        "port",
		"u:hunter2\x7f@p":       "not the URL",
		`http://D\u:hunter2@p`:  "%5C",
		"http://u:hunter2#@p:1": "not the URL",

		"http://svc:2024#hunter2@p:1":  "%23 for #",
		"http://svc:2024/hunter2@p:1":  "%2F for /",
		"http://svc:2024?hunter2@p:1":  "%3F for ?",
		"svc:2024#hunter2@p:1":         "%23",
		"svc:2024/hunter2@p:1":         "%2F",
		"svc:2024?hunter2@p:1":         "%3F",
		"svc:2024#://hunter2@p:1":      "%23",
		"svc:2024/://hunter2@p:1":      "%2F",
		"http://svc:2024#":             "%23",
		"http://svc:2024?":             "%3F",
		"http://svc:2024//hunter2@p:1": "%2F",
		"socks5://svc:1#hunter2@p":     "%23",
	} {
		for _, name := range []string{"https_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
			environ(t, "")
			t.Setenv(name, value)
			_, err := FromEnvironment()(server)
			wantFailure(t, err, cause.Proxy, cause.ProxyConfig, "read "+strings.ToUpper(name), want)
		}
	}
}
