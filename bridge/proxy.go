package bridge

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/fairlead-io/fairlead/subjects"
)

// proxy carries a request to the API server of a cluster.
func (s *Server) proxy(w http.ResponseWriter, r *http.Request, rec *record, name, target string) {
	ref, caller, f := s.admit(r, rec, name)
	if f != nil {
		s.fail(w, r, rec, statusBody, f)
		return
	}
	upgrade, f := s.prepare(r)
	if f != nil {
		f.cluster = name
		s.fail(w, r, rec, statusBody, f)
		return
	}
	conn, err := s.cfg.Tenants.Acquire(r.Context(), ref.Tenant)
	if err != nil {
		s.fail(w, r, rec, statusBody, explain(r.Context(), name, nil, err))
		return
	}
	defer conn.Release()
	rec.tenant = ref.Tenant

	buf := buffers.Get().(*[]byte)
	x := exchange{conn: conn, cluster: ref.Cluster}
	defer x.close()
	*buf, err = subjects.AppendRequestHead((*buf)[:0], &subjects.RequestHead{
		Method: r.Method, Target: target, ContentLength: r.ContentLength, RequestID: rec.id, Header: r.Header,
	})
	if err == nil {
		x.fin = upgrade == ""
		x.repeatable = upgrade == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead)
		headLen := len(*buf)
		*buf, err = x.takeBody(w, r, *buf)
		x.first = *buf
		rec.received = int64(len(x.first) - headLen)
	}
	ctx, held := r.Context(), upgrade != "" || x.upload != nil
	if held {
		h := s.hold(ctx, caller, ref)
		defer h.release()
		if x.upload != nil {
			x.upload.watch(h.cancel)
		}
		ctx = h.ctx
	}
	var head *subjects.ResponseHead
	if err == nil {
		head, err = x.begin(ctx)
	}
	x.first = nil // it was for trying again; a watch must not keep it
	putBuffer(buf)
	if err != nil {
		x.refuseRest(w)
		s.fail(w, r, rec, statusBody, explain(ctx, name, conn, err))
		if rec.aborted == nil { // else a flush would send a 200
			x.hurry(w)
		}
		return
	}
	prefix := s.base + clustersPrefix + name
	if head.Status != http.StatusSwitchingProtocols {
		if upgrade != "" {
			_ = x.st.CloseWrite() // an ordinary response: no raw bytes follow
		}
		if !held && !x.st.Ended() { // a response of one message is over already
			h := s.hold(ctx, caller, ref)
			defer h.release()
			ctx, held = h.ctx, true
		}
		if subjects.IsWatch(r.Method, target) && head.Status == http.StatusOK && head.ContentLength < 0 {
			defer x.endAtLeave(s.leaving)()
		}
		if held {
			defer cutAfter(ctx, w, x.st, rec)()
		}
		s.respond(ctx, w, r, rec, &x, head, prefix)
		return
	}
	if err := checkUpgrade(head, upgrade); err != nil {
		s.fail(w, r, rec, statusBody, explain(ctx, name, conn, x.broken(err.Error())))
		return
	}
	s.upgrade(ctx, w, r, rec, &x, head, prefix)
}

// maxUpgradeBody is the largest body in bytes of a request whose upgrade is
// passed on; clients that upgrade send none.
const maxUpgradeBody = 16 << 10

// prepare makes the request's header what the API server shall see, and
// returns the protocol that is to be switched to, "" for none. A server may
// ignore an upgrade (RFC 9110 section 7.8); one with a body to stream is
// ignored here.
func (s *Server) prepare(r *http.Request) (upgrade string, f *failure) {
	upgrade = upgradeType(r)
	if r.ContentLength < 0 || r.ContentLength > maxUpgradeBody {
		upgrade = ""
	}
	if claimed := stripRequest(r.Header); claimed != "" {
		return "", impersonated(claimed)
	}
	if upgrade != "" {
		r.Header["Connection"] = []string{"Upgrade"}
		r.Header["Upgrade"] = []string{upgrade}
	}
	if len(r.Trailer) > 0 { // net/http moves the announcement there
		for k := range r.Trailer {
			r.Header.Add("Trailer", k)
		}
	}
	return upgrade, nil
}

// takeBody appends a body that fits the first message to the head, and prepares
// the upload of any other.
func (x *exchange) takeBody(w http.ResponseWriter, r *http.Request, b []byte) ([]byte, error) {
	n := len(b)
	switch {
	case r.ContentLength == 0:
		return b, nil
	case r.ContentLength < 0 || r.ContentLength > int64(subjects.MaxPayload-n) && x.fin:
		x.upload = newUpload(w, r)
		x.fin = false
		return b, nil
	}
	b = slices.Grow(b, int(r.ContentLength))[:n+int(r.ContentLength)]
	if _, err := io.ReadFull(r.Body, b[n:]); err != nil {
		return b[:n], failf(badRequest, "request body: %v", err)
	}
	return b, nil
}

// uploading reports whether the client still sends, as far as is known.
func (x *exchange) uploading() bool { return x.upload != nil && !x.upload.consumed.Load() }

// refuseRest keeps a connection whose request has not been read to its end
// from being used for another.
func (x *exchange) refuseRest(w http.ResponseWriter) {
	if x.uploading() && x.upload.r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}

// hurry sends an early response off before the rest of the upload is dealt
// with. An error will be met again.
func (x *exchange) hurry(w http.ResponseWriter) {
	if x.uploading() {
		_ = w.(flusher).FlushError()
	}
}

// flusher is what net/http's ResponseWriters are.
type flusher interface{ FlushError() error }

var errUnasked = errors.New("a 101 to a request that asked for no upgrade")

// checkUpgrade demands that the API server switched to what was asked for.
func checkUpgrade(head *subjects.ResponseHead, asked string) error {
	if asked == "" {
		return errUnasked
	}
	if got := head.Header["Upgrade"]; len(got) != 1 || !sameProtocol(got[0], asked) {
		return fmt.Errorf("asked to switch to %q, the API server switched to %q", asked, got)
	}
	return nil
}
