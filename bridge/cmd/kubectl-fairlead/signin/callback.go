package signin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// callbackPath is the path of the redirect URI.
const callbackPath = "/callback"

// callback waits for the one request that the issuer's page sends the browser to.
type callback struct {
	state, issuer string
	answer        chan answer // holds one
}

type answer struct {
	code string
	err  error
}

func newCallback(state, issuer string) *callback {
	return &callback{state: state, issuer: issuer, answer: make(chan answer, 1)}
}

// code returns the authorization code.
func (c *callback) code(ctx context.Context) (string, error) {
	select {
	case a := <-c.answer:
		return a.code, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// ServeHTTP takes the first answer with the right state. Another web page can send a
// browser here too: its requests, with another state, end nothing.
func (c *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the URL has the code
	query := r.URL.Query()
	switch {
	case r.URL.Path != callbackPath:
		http.Error(w, "There is nothing here.", http.StatusNotFound)
		return
	case r.Method != http.MethodGet:
		http.Error(w, "Only GET is allowed.", http.StatusMethodNotAllowed)
		return
	case subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(c.state)) != 1:
		http.Error(w, "This is not the answer to the login that is waiting. Start again with the URL in the terminal.", http.StatusBadRequest)
		return
	}
	var a answer
	switch code, iss := query.Get("code"), query.Get("iss"); {
	case iss != "" && iss != c.issuer: // RFC 9207
		a.err = fmt.Errorf("the answer is from another issuer, %q", Printable(iss))
	case query.Get("error") != "":
		a.err = fmt.Errorf("the issuer says %s", refusal(query.Get("error"), query.Get("error_description")))
	case code == "":
		a.err = errors.New("the issuer's answer has no code")
	default:
		a.code = code
	}
	select {
	case c.answer <- a:
		_, _ = io.WriteString(w, "Fairlead has got the answer. Close this window and go back to the terminal.\n")
	default:
		http.Error(w, "This login has already been answered.", http.StatusConflict)
	}
}
