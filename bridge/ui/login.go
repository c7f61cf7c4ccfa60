package ui

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// maxForm bounds the form to log in: a token of which each byte is escaped, and a little.
const maxForm = 3*access.MaxToken + 1024

// again marks the second request of a page that was opened from another site.
const again = "again"

// loginForm is what the page to log in shows.
type loginForm struct {
	Why     string // there is no session, or it has ended; "": nobody has tried to log in
	Cluster string // the page that was asked for; "": the list
	Again   string // the URL at which the browser sends the session's cookie; "": this one
}

// login begins a session with the token of the form.
func (v *visit) login() {
	if !v.sameOrigin() {
		return
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		v.fail(answer.Failf(answer.BadRequest, "the form cannot be read"))
		return
	}
	token := strings.TrimSpace(v.r.PostForm.Get("token"))
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	form := loginForm{Cluster: clusterOf(v.r.PostForm.Get("cluster"))}
	switch {
	case v.session.proxied:
		form.Why = "a proxy in front of the bridge sends a token of its own, which counts: log in there"
	case token == "":
		form.Why = "no token was given"
	case !isToken(token):
		form.Why = "this is not a bearer token: it has other characters, or is too long"
	case !v.safe():
		form.Why = "the browser has come by plain HTTP from another host, so that others can read what it sends: open this page with https://, and have the token replaced"
	}
	if form.Why != "" {
		v.loginForm(http.StatusBadRequest, &form)
		return
	}
	as := v.r.Clone(v.r.Context())
	as.Header.Set("Authorization", "Bearer "+token)
	visitor, f := v.cfg.Door.Authenticate(as, v.rec)
	if f != nil {
		v.rec.Failure = f
		if f.Kind != answer.Unauthenticated {
			v.fail(f)
			return
		}
		form.Why = f.Detail
		v.loginForm(f.Kind.Status, &form)
		return
	}
	v.session.end(v.w)
	begin(v.w, token, v.secure(), visitor.Caller.Expires)
	v.redirect(http.StatusSeeOther, pageOf(form.Cluster))
}

// logout ends the session, if there is one.
func (v *visit) logout() {
	if !v.sameOrigin() {
		return
	}
	v.endSession()
	v.redirect(http.StatusSeeOther, "./")
}

func (v *visit) endSession() {
	v.session.end(v.w, Prefix, v.base+Prefix)
}

// sameOrigin refuses a request that another site has made the browser send.
func (v *visit) sameOrigin() bool {
	if err := v.origin.Check(v.r); err != nil {
		v.fail(answer.Failf(answer.Forbidden, "the browser says that another site has made it send this"))
		return false
	}
	return true
}

// came is the origin from which the browser has sent a form, as the browser sees it: a proxy
// in front may end TLS. nil: it does not say.
func (v *visit) came() *url.URL {
	u, err := url.Parse(v.r.Header.Get("Origin"))
	if err != nil || u.Host == "" {
		return nil
	}
	return u
}

// secure reports whether the browser must send the session's cookies by HTTPS only.
func (v *visit) secure() bool {
	u := v.came()
	return v.r.TLS != nil || u == nil || u.Scheme != "http"
}

// safe reports whether nobody on the way can read what the browser sends.
func (v *visit) safe() bool {
	if v.secure() {
		return true
	}
	host := strings.ToLower(v.came().Hostname())
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// loginPage is the answer where the visitor is not authenticated.
func (v *visit) loginPage(f *answer.Failure) {
	form := loginForm{Cluster: v.name}
	q := v.r.URL.Query()
	if v.r.Method == http.MethodGet && v.r.Header.Get("Sec-Fetch-Mode") == "navigate" && v.fromElsewhere() && !q.Has(again) {
		// While it follows another site's link, a browser keeps the session's cookie back, and
		// a certificate does not count. Both are there with the request that this page makes.
		q.Set(again, "1")
		form.Again = "?" + q.Encode()
	} else if !errors.Is(f, access.ErrNoCredentials) {
		form.Why = f.Detail
	}
	if v.session.token != "" {
		v.endSession()
	}
	v.loginForm(http.StatusUnauthorized, &form)
}

func (v *visit) fromElsewhere() bool {
	site := v.r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

func (v *visit) loginForm(status int, form *loginForm) {
	if status == http.StatusUnauthorized {
		v.w.Header().Set("Www-Authenticate", "Bearer")
		v.w.Header().Set(answer.Header, answer.Unauthenticated.Code)
	}
	v.render(status, loginTemplate, "Log in", form)
}

// clusterOf is the name of a cluster, "" if name is none.
func clusterOf(name string) string {
	if _, err := subjects.ParseClusterRef(name); err != nil {
		return ""
	}
	return name
}

// pageOf is the URL of a page, relative to /ui/.
func pageOf(cluster string) string {
	if cluster == "" {
		return "./"
	}
	return "clusters/" + url.PathEscape(cluster)
}
