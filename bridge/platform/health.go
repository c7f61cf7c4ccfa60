package platform

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

// healthTimeout bounds what [Platform.Ready] may take; load balancers give up
// after a few seconds.
const healthTimeout = 2 * time.Second

// getLivez answers load balancers that ask on the port that they balance to and
// can send no token. It says that the process answers, nothing more.
func (p *Platform) getLivez(w http.ResponseWriter, r *http.Request, rec *answer.Record, _ endpoint.Place) {
	writeHealth(w, r, rec, http.StatusOK, "ok\n")
}

// getReadyz is 200 while the bridge takes requests. The reason why it does not
// is shown only to its operator, at the ops listener: anyone may ask here.
func (p *Platform) getReadyz(w http.ResponseWriter, r *http.Request, rec *answer.Record, _ endpoint.Place) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	if p.Ready(ctx) != nil {
		writeHealth(w, r, rec, http.StatusServiceUnavailable, "not ready\n")
		return
	}
	writeHealth(w, r, rec, http.StatusOK, "ok\n")
}

func writeHealth(w http.ResponseWriter, r *http.Request, rec *answer.Record, code int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	rec.Status = code
	w.WriteHeader(code)
	if r.Method == http.MethodHead {
		return
	}
	n, _ := io.WriteString(w, text)
	rec.Sent = int64(n)
}
