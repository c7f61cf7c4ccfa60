package bridge

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rs/cors"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// corsMaxAge is how long a browser may keep the answer to a preflight. Browsers
// have bounds of their own, from 10 minutes to a day.
const corsMaxAge = 10 * time.Minute

// withCORS lets web pages of the given origins call the bridge. A preflight
// carries no token (Fetch standard, section "CORS-preflight fetch"), so it is
// answered before authentication, and reaches no cluster. Credentials
// that browsers attach by themselves are not accepted: a page must send a token.
func withCORS(h http.Handler, origins []string) http.Handler {
	if len(origins) == 0 {
		return h
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"Age", "Date", "Location", "RateLimit", "RateLimit-Policy", "RateLimit-ResetTime", "Retry-After", "Warning", "X-Request-Id", answer.Header},
		MaxAge:         int(corsMaxAge / time.Second),
	}).Handler(h)
}

// CheckOrigins demands origins as browsers write them (RFC 6454 section 6.1).
// "*" and patterns are refused: the list names each origin.
func CheckOrigins(origins []string) error {
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || o != u.Scheme+"://"+u.Host {
			return fmt.Errorf("CORS origin %q is not like https://ui.example.com", o)
		}
	}
	return nil
}
