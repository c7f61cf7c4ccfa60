package proxy

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// parrot is a proxy that refuses every request, and shows what it was sent by say.
func parrot(offers string, say func(authorization, login string) (reason, challenge, body string)) func(net.Conn) {
	return func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			authorization := req.Header.Get("Proxy-Authorization")
			reason, challenge, body := "Login", offers, ""
			if authorization != "" {
				_, token, _ := strings.Cut(authorization, " ")
				login, _ := base64.StdEncoding.DecodeString(token)
				reason, challenge, body = say(authorization, string(login))
			}
			_, _ = fmt.Fprintf(c, "HTTP/1.1 407 %s\r\nProxy-Authenticate: %s\r\nContent-Length: %d\r\n\r\n%s", reason, challenge, len(body), body)
		}
	}
}

// TestEchoes: a proxy that shows what it was sent, as error pages and debugging proxies do,
// brings no password into what is told of it.
func TestEchoes(t *testing.T) {
	const password = "hunter2-correct-horse"
	for name, say := range map[string]func(authorization, login string) (reason, challenge, body string){
		"in the page": func(a, _ string) (string, string, string) {
			return "x", "Basic", "<p>You sent Proxy-Authorization: " + a
		},
		"decoded": func(_, login string) (string, string, string) { return "x", "Basic", "no user " + login },
		"for a URL": func(_, login string) (string, string, string) {
			return "x", "Basic", "/login?as=" + url.QueryEscape(login)
		},
		"cut off":       func(a, _ string) (string, string, string) { return "x", "Basic", strings.Repeat("z", 200) + " " + a },
		"in the reason": func(a, _ string) (string, string, string) { return a, "Basic", "" },
		"as a scheme":   func(a, _ string) (string, string, string) { return "x", strings.TrimRight(a[6:], "=") + " realm=x", "" },
		"in upper case": func(_, login string) (string, string, string) { return "x", "Basic", strings.ToUpper(login) },
		"in another one": func(_, login string) (string, string, string) {
			return "x", "Basic", base64.URLEncoding.EncodeToString([]byte("> " + login))
		},
		"in hexadecimals": func(_, login string) (string, string, string) { return "x", "Basic", fmt.Sprintf("%x", login) },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := reach(t, Proxies{}, "http://u:"+password+"@"+listen(t, parrot("Basic", say)), "example.com:443")
			wantFailure(t, err, cause.Proxy, cause.ProxyAuthRequired)
			wantHidden(t, err, password)
		})
	}
	t.Run("NTLM", func(t *testing.T) {
		var last string
		_, err := reach(t, Proxies{}, "http://u:"+password+"@"+listen(t, parrot("NTLM", func(a, _ string) (string, string, string) {
			last = a[5:]
			if len(last) < 100 { // the first message
				return "x", "NTLM " + base64.StdEncoding.EncodeToString(goodChallenge()), ""
			}
			return "x", "NTLM", "wrong: " + a
		})), "example.com:443")
		wantFailure(t, err, cause.Proxy, cause.ProxyAuthRequired, "offers \\\"NTLM")
		if strings.Contains(err.Error(), last[40:60]) {
			t.Errorf("shows the proof of the password: %v", err)
		}
	})
	t.Run("not HTTP", func(t *testing.T) {
		_, err := reach(t, Proxies{}, "http://u:"+password+"@"+listen(t, func(c net.Conn) {
			r := bufio.NewReader(c)
			_, _ = http.ReadRequest(r)
			_, _ = fmt.Fprint(c, "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
			req, err := http.ReadRequest(r)
			if err == nil {
				_, _ = fmt.Fprintf(c, "ERROR %s\r\n\r\n", req.Header.Get("Proxy-Authorization"))
			}
		}), "example.com:443")
		wantFailure(t, err, cause.Proxy, cause.NotAProxy)
		wantHidden(t, err, password)
	})
}

// wantHidden checks that an error has no eight characters of a password, in any form.
func wantHidden(t *testing.T, err error, password string) {
	t.Helper()
	shown := strings.ToLower(err.Error())
	for _, form := range []string{
		password, fmt.Sprintf("%x", password), url.QueryEscape(password), base64.StdEncoding.EncodeToString([]byte("u:" + password)),
		base64.StdEncoding.EncodeToString([]byte("> u:" + password))[4:],
	} {
		form = strings.ToLower(form)
		for i := range len(form) - 7 {
			if strings.Contains(shown, form[i:i+8]) {
				t.Errorf("shows %q of the password: %v", form[i:i+8], err)
				return
			}
		}
	}
}

// TestOwnWordsAreShown: a password that is a word of ours hides nothing of what we say.
func TestOwnWordsAreShown(t *testing.T) {
	_, err := reach(t, Proxies{}, "http://password:not%20accept%20the%20user@"+listen(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			body := "You sent not\n<b>accept</b> the user"
			fmt.Fprintf(c, "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	}), "broker.acme.com:443")
	wantFailure(t, err, cause.Proxy, cause.ProxyAuthRequired, "it does not accept the user and password in the proxy's URL", `"You sent [redacted]`)
}
