package ui

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
)

const (
	// cookieName is that of a session's cookies, before their number. Browsers take those
	// with the prefix over HTTPS only, and from there only.
	cookieName   = "fairlead-session-"
	securePrefix = "__Secure-"
	// cookiePart is how much of a token one cookie has. Browsers keep at most 4,096 bytes of
	// a name and a value together; ID tokens may be longer.
	cookiePart = 3800
	maxCookies = (access.MaxToken + cookiePart - 1) / cookiePart
)

// session is what the cookies of a request say.
type session struct {
	token string   // "": there is none
	sent  []string // the names of its cookies
	// proxied: the request has a bearer token of its own, which no browser sends by itself.
	proxied bool
}

// openSession reads the session of a request. The request that it returns has its token as
// the bearer token, and no cookies. One that has a bearer token already keeps it, and has no
// session: a proxy in front says with each request who the visitor is, while a cookie may be
// of the browser's last user, or of another host of the domain. Other credentials, such as
// the password for a proxy, count after the session.
func openSession(r *http.Request) (session, *http.Request) {
	var s session
	values := map[string]string{}
	for _, c := range r.Cookies() {
		if _, again := values[c.Name]; !again && isOurs(c.Name) {
			s.sent = append(s.sent, c.Name)
			values[c.Name] = c.Value
		}
	}
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if s.proxied = strings.EqualFold(scheme, "Bearer"); !s.proxied {
		if s.token = joined(values, securePrefix); s.token == "" {
			s.token = joined(values, "")
		}
	}
	to := r.WithContext(r.Context())
	to.Header = r.Header.Clone()
	to.Header.Del("Cookie")
	if s.token != "" {
		to.Header.Set("Authorization", "Bearer "+s.token)
	}
	return s, to
}

// joined puts the token of a session together; "" if a part of it is missing. The first
// cookie says how many there are, so that one that was left over is not taken for a part.
func joined(values map[string]string, prefix string) string {
	count, token, ok := strings.Cut(values[prefix+cookieName+"0"], ".")
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n < 1 || n > maxCookies {
		return ""
	}
	for i := 1; i < n; i++ {
		part := values[prefix+cookieName+strconv.Itoa(i)]
		if part == "" {
			return ""
		}
		token += part
	}
	if !isToken(token) {
		return ""
	}
	return token
}

// isToken reports whether s may be a bearer token (RFC 6750 section 2.1), whose characters
// a cookie takes as they are.
func isToken(s string) bool {
	if s == "" || len(s) > access.MaxToken {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("-._~+/=", rune(c)) {
			return false
		}
	}
	return true
}

// begin sets the cookies of a session with a token that ends at expires; zero: when the
// browser is closed.
func begin(w http.ResponseWriter, token string, secure bool, expires time.Time) {
	n := (len(token) + cookiePart - 1) / cookiePart
	for i := range n {
		part := token[i*cookiePart : min((i+1)*cookiePart, len(token))]
		if i == 0 {
			part = strconv.Itoa(n) + "." + part
		}
		c := cookie(nameOf(i, secure), secure)
		c.Value, c.Expires = part, expires
		http.SetCookie(w, c)
	}
}

// end makes the browser forget the cookies that it has sent, which it has for one of paths.
// Those of a session that was begun under another path end at /ui/logout.
func (s *session) end(w http.ResponseWriter, paths ...string) {
	for _, name := range s.sent {
		for _, path := range append(paths, "") {
			c := cookie(name, strings.HasPrefix(name, securePrefix))
			c.MaxAge, c.Path = -1, path
			http.SetCookie(w, c)
		}
	}
}

func nameOf(i int, secure bool) string {
	name := cookieName + strconv.Itoa(i)
	if secure {
		return securePrefix + name
	}
	return name
}

func isOurs(name string) bool {
	number, ok := strings.CutPrefix(strings.TrimPrefix(name, securePrefix), cookieName)
	i, err := strconv.Atoi(number)
	return ok && err == nil && 0 <= i && i < maxCookies && nameOf(i, strings.HasPrefix(name, securePrefix)) == name
}

// cookie has no Path: the browser takes the folder of the request, which is /ui, or that below
// the path under which a proxy has the bridge (RFC 6265 section 5.1.4). So it is set at
// /ui/login.
func cookie(name string, secure bool) *http.Cookie {
	return &http.Cookie{Name: name, HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode}
}
