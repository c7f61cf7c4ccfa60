package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"net/http"
)

//go:embed templates static
var files embed.FS

// asset is a file that pages load.
type asset struct {
	contentType string
	content     []byte
}

var assets = map[string]*asset{
	"style.css": read("style.css", "text/css; charset=utf-8"),
	"app.js":    read("app.js", "text/javascript; charset=utf-8"),
}

// version changes with what the assets have.
var version = func() string {
	h := sha256.New()
	for _, name := range []string{"app.js", "style.css"} {
		h.Write(assets[name].content)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}()

func read(name, contentType string) *asset {
	b, err := files.ReadFile("static/" + name)
	if err != nil {
		panic(err)
	}
	return &asset{contentType, b}
}

// asset answers with a file. It is the same for everybody. One whose URL names its version
// never changes.
func (v *visit) asset(a *asset) {
	h := v.w.Header()
	protect(h, "default-src 'none'; frame-ancestors 'none'")
	h.Set("Content-Type", a.contentType)
	if h.Set("Cache-Control", "no-cache"); v.r.URL.RawQuery == "v="+version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	v.send(http.StatusOK, a.content)
}
