package ui

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sent is a request with the cookies that a response has set.
func sent(w *httptest.ResponseRecorder) *http.Request {
	r := httptest.NewRequest("GET", "/ui/", nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	return r
}

// TestSessionKeepsTheToken: a token of any length that callers may have comes back, in
// cookies that browsers keep, and goes on as the bearer token without the cookies.
func TestSessionKeepsTheToken(t *testing.T) {
	for _, n := range []int{1, cookiePart - 1, cookiePart, cookiePart + 1, 2 * cookiePart, access.MaxToken} {
		for _, secure := range []bool{false, true} {
			token := strings.Repeat("a.b-c_d~e+f/g=", n)[:n]
			w := httptest.NewRecorder()
			begin(w, token, secure, time.Time{})
			for _, c := range w.Result().Cookies() {
				if len(c.Name)+len(c.Value) > 4096 {
					t.Errorf("%d bytes: a cookie has %d", n, len(c.Name)+len(c.Value))
				}
				if !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteStrictMode || c.Path != "" || c.Domain != "" || !c.Expires.IsZero() {
					t.Errorf("%s", c.Raw)
				}
			}
			r := sent(w)
			r.Header.Set("Authorization", "Basic of-a-proxy")
			s, to := openSession(r)
			if s.token != token || to.Header.Get("Authorization") != "Bearer "+token || to.Header.Get("Cookie") != "" {
				t.Errorf("%d bytes: %d came back; %v", n, len(s.token), to.Header.Get("Authorization")[:20])
			}
			if r.Header.Get("Authorization") != "Basic of-a-proxy" {
				t.Error("the request of the server was changed")
			}
		}
	}
}

// TestAProxysTokenCountsBeforeTheCookies: who a proxy in front says that the visitor is cannot
// be changed by cookies, which hosts of the same domain can set, or which the browser's last
// user has left.
func TestAProxysTokenCountsBeforeTheCookies(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer of-a-proxy": "Bearer of-a-proxy", "bearer of-a-proxy": "bearer of-a-proxy",
		"Basic of-a-proxy": "Bearer of-the-cookie", "": "Bearer of-the-cookie",
	} {
		r := httptest.NewRequest("GET", "/ui/", nil)
		r.Header.Set("Cookie", "__Secure-fairlead-session-0=1.of-the-cookie")
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		s, to := openSession(r)
		if got := to.Header.Get("Authorization"); got != want || (s.token != "") != (got == "Bearer of-the-cookie") || len(s.sent) != 1 {
			t.Errorf("%q: %q, session %q", header, got, s.token)
		}
	}
}

// TestOldCookiesAreNotMixedIn: a shorter token after a longer one is itself, and cookies over
// HTTPS come before others.
func TestOldCookiesAreNotMixedIn(t *testing.T) {
	w := httptest.NewRecorder()
	begin(w, strings.Repeat("a", 3*cookiePart), true, time.Time{})
	r := sent(w)
	w = httptest.NewRecorder()
	begin(w, strings.Repeat("b", cookiePart), false, time.Time{})
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	if s, _ := openSession(r); s.token != strings.Repeat("a", 3*cookiePart) || len(s.sent) != 4 {
		t.Errorf("%.10s, %v", s.token, s.sent)
	}
	r = httptest.NewRequest("GET", "/ui/", nil)
	r.Header.Set("Cookie", "__Secure-fairlead-session-0=1.b; __Secure-fairlead-session-1=aaa; __Secure-fairlead-session-0=1.c")
	if s, _ := openSession(r); s.token != "b" {
		t.Errorf("%q", s.token)
	}
}

// TestBadCookiesAreNoSession: nothing but a whole token becomes one.
func TestBadCookiesAreNoSession(t *testing.T) {
	for _, cookies := range []string{
		"", "fairlead-session-0=", "fairlead-session-0=abc", "fairlead-session-0=1.", "fairlead-session-0=0.a",
		"fairlead-session-0=-1.a", "fairlead-session-0=2.a", "fairlead-session-0=2.a; fairlead-session-2=b", "fairlead-session-0=999999999999.a",
		"fairlead-session-0=6.a", "fairlead-session-00=1.a", "fairlead-session-+0=1.a", "fairlead-session-0=1.a%20b", `fairlead-session-0="1.a b"`,
		"fairlead-session-0=1.a:b", "session=1.a", "fairlead-session-0=1.a@",
	} {
		r := httptest.NewRequest("GET", "/ui/", nil)
		r.Header.Set("Cookie", cookies)
		s, to := openSession(r)
		if s.token != "" || to.Header.Get("Authorization") != "" || to.Header.Get("Cookie") != "" {
			t.Errorf("%q: %q", cookies, s.token)
		}
	}
}

// FuzzSession: no Cookie header becomes a token that is none.
func FuzzSession(f *testing.F) {
	f.Add("fairlead-session-0=2.ab; fairlead-session-1=c")
	f.Add(`__Secure-fairlead-session-0="1.x"`)
	f.Fuzz(func(t *testing.T, cookies string) {
		r := httptest.NewRequest("GET", "/ui/", nil)
		r.Header.Set("Cookie", cookies)
		s, to := openSession(r)
		if s.token != "" && !isToken(s.token) || (to.Header.Get("Authorization") != "") != (s.token != "") || len(s.sent) > 2*maxCookies {
			t.Errorf("%q: %q, %v", cookies, s.token, s.sent)
		}
	})
}
