package ui

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"time"
)

// The templates of pages.
const (
	listTemplate    = "list.html"
	clusterTemplate = "cluster.html"
	loginTemplate   = "login.html"
	failureTemplate = "failure.html"
)

// page is what every template gets.
type page struct {
	Title   string
	Root    string // the relative URL of /ui/
	Nonce   string
	Caller  string // "": nobody is logged in
	Session bool   // the visitor can log out
	Script  string // what the URLs of the script and the style end with, so that a new release is loaded
	Now     time.Time
	Types   []string // of events
	Body    any
}

// render answers with a page.
func (v *visit) render(status int, name, title string, body any) {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	p := &page{
		Title: title, Root: v.root, Nonce: base64.RawURLEncoding.EncodeToString(nonce), Script: version,
		Caller: v.rec.Caller, Session: v.session.token != "", Now: time.Now().UTC(), Types: eventTypes(), Body: body,
	}
	if name == loginTemplate {
		p.Caller, p.Session = "", false
	}
	var b bytes.Buffer
	if err := templates[name].Execute(&b, p); err != nil { // only our own types come here
		panic("bridge: " + name + ": " + err.Error())
	}
	h := v.w.Header()
	protect(h, pagePolicy(p.Nonce))
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	v.send(status, b.Bytes())
}

func (v *visit) send(status int, b []byte) {
	v.w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	v.rec.Status = status
	v.w.WriteHeader(status)
	if v.r.Method == http.MethodHead {
		return
	}
	n, _ := v.w.Write(b) // it fails only if the browser hung up
	v.rec.Sent = int64(n)
}

// pagePolicy lets a page run and load nothing but what is marked with nonce, and keeps it out
// of frames. Below /k8s, other people's text has the same origin: so nothing that could run
// may come from 'self'.
func pagePolicy(nonce string) string {
	return "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" + nonce + "'; img-src data:; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'"
}

// protect sets what keeps a response from being used otherwise than as it is meant.
func protect(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with less, browsers do not say where forms come from
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

var templates = parse(listTemplate, clusterTemplate, loginTemplate, failureTemplate)

func parse(names ...string) map[string]*template.Template {
	all := map[string]*template.Template{}
	base := template.Must(template.New("base.html").Funcs(functions).ParseFS(files, "templates/base.html"))
	for _, name := range names {
		all[name] = template.Must(template.Must(base.Clone()).ParseFS(files, "templates/"+name))
	}
	return all
}
