package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel/hop"
	"github.com/fairlead-io/fairlead/bridge/tunnel/parting"
	"github.com/fairlead-io/fairlead/subjects"
)

// relay is one HTTP request that is carried to a cluster. It is used by the
// goroutine of the request's handler.
type relay struct {
	t     *Tunnel
	w     http.ResponseWriter
	r     *http.Request
	rec   *answer.Record
	to    Destination
	lease Lease

	// ctx governs the request. It ends when the client hangs up, when the server
	// stops or, once the request is held, when its lease ends.
	ctx context.Context
	// upgrade is the protocol that the client asks to switch to, "" for none.
	upgrade string
	x       exchange
	// events follows the response of a watch; nil: it is none, or one whose encoding
	// the bridge does not know.
	events *parting.Events
	// explained: the response says itself why it ended.
	explained bool

	// Undone by close; nil: there is nothing to undo.
	release  func()             // the lease
	unleave  func()             // the end at a drain
	finished func()             // the cut at ctx's end
	cancel   context.CancelFunc // of ctx
}

// open sends the request and returns the head of the response.
func (rl *relay) open() (*subjects.ResponseHead, error) {
	header := headers.Get().(http.Header)
	defer func() { clear(header); headers.Put(header) }()
	rl.prepare(header)
	if rl.rec.Span != nil {
		rl.x.hop = hop.Start(rl.rec, hop.Request{
			Cluster: rl.to.Cluster, Name: rl.to.Name, Method: rl.r.Method, Target: rl.to.Target, Header: header,
			Long: rl.upgrade != "" || subjects.IsLong(rl.r.Method, rl.to.Target),
		})
	}
	conn, err := rl.t.Tenants.Acquire(rl.ctx, rl.to.Cluster.Tenant)
	if err != nil {
		return nil, err
	}
	rl.x.conn, rl.x.cluster, rl.x.lease, rl.x.usage = conn, rl.to.Cluster.Cluster, rl.lease, rl.lease.Usage()
	rl.rec.Tenant = rl.to.Cluster.Tenant

	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	head := subjects.RequestHead{
		Method: rl.r.Method, Target: rl.to.Target, ContentLength: rl.r.ContentLength, RequestID: rl.rec.ID, Header: header,
	}
	if head.Extensions, err = rl.to.extensions(); err != nil {
		return nil, err
	}
	if *buf, err = subjects.AppendRequestHead((*buf)[:0], &head); err != nil {
		return nil, err
	}
	rl.x.fin = rl.upgrade == ""
	rl.x.repeatable = rl.upgrade == "" && isSafe(rl.r.Method)
	headLen := len(*buf)
	*buf, err = rl.readBody(*buf)
	rl.rec.Received = int64(len(*buf) - headLen)
	if err != nil {
		return nil, err
	}
	if rl.upgrade != "" || rl.x.upload != nil || subjects.IsLong(rl.r.Method, rl.to.Target) {
		rl.hold() // the followed log of a silent container has no head for as long as that
	}
	rl.x.first = *buf
	if rl.to.Tap != nil {
		rl.to.Tap.Sent()
	}
	response, err := rl.x.begin(rl.ctx)
	rl.rec.Instance = rl.x.instance()
	rl.x.first = nil                     // only another try needed it; a watch must not keep it
	if err == nil && rl.release == nil { // the response may have taken hours to begin
		if f := rl.lease.Check(rl.ctx); f != nil {
			return nil, f.With(outcomeUnknown)
		}
	}
	return response, err
}

// isSafe reports whether a method changes nothing, so that a request may be
// executed twice.
func isSafe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// answer writes the cluster's response.
func (rl *relay) answer(head *subjects.ResponseHead) {
	if head.Status == http.StatusSwitchingProtocols {
		if err := checkUpgrade(head, rl.upgrade); err != nil {
			rl.fail(rl.x.broken(err.Error()))
			return
		}
		rl.switchProtocols(head)
		return
	}
	if head.Status == http.StatusBadRequest && rl.to.NotUpgraded != nil {
		rl.rec.Upstream = head.Status
		rl.fail(rl.to.NotUpgraded)
		return
	}
	if rl.upgrade != "" {
		_ = rl.x.st.CloseWrite() // the response is ordinary, so no raw bytes follow
	}
	if !rl.x.st.Ended() || rl.x.usage.Metered() { // a response in one message has ended already, but may wait
		rl.hold()
	}
	if head.Status == http.StatusOK && head.ContentLength < 0 && subjects.IsWatch(rl.r.Method, rl.to.Target) {
		rl.events = parting.NewEvents(head.Header)
		rl.endWhenLeaving(rl.endWatch)
	}
	if rl.release != nil {
		rl.cutWhenOver()
	}
	rl.respond(head)
}

// fail answers with a failure; nothing of a response was written before.
func (rl *relay) fail(err error) {
	rl.closeAfterResponse()
	answer.Fail(rl.w, rl.r, rl.rec, answer.StatusBody, Explain(rl.ctx, rl.to.Name, rl.x.conn, err))
	if rl.rec.Aborted == nil { // else a flush would send a 200
		rl.flushEarly()
	}
}

// close ends everything that was started. The order matters: first the callbacks
// that could end the response are stopped, then the stream is closed, which ends the
// upload, and last the connection is released.
func (rl *relay) close() {
	if rl.finished != nil {
		rl.finished()
	}
	if rl.unleave != nil {
		rl.unleave()
	}
	if rl.release != nil {
		rl.noteRevoked()
		rl.release()
		rl.cancel()
	}
	rl.x.close()
	if rl.x.upload != nil {
		rl.rec.Received = rl.x.upload.bytes.Load()
	}
	if rl.x.conn != nil {
		rl.x.conn.Release()
	}
	status := rl.rec.Status
	if rl.rec.Failure != nil { // it is the bridge's
		status = 0
	}
	rl.x.hop.End(rl.rec, status)
}

// maxUpgradeBody is the largest body in bytes of a request whose upgrade is
// passed on. Clients that upgrade send no body.
const maxUpgradeBody = 16 << 10

// headers hold the header that the API server should see until it is encoded.
var headers = sync.Pool{New: func() any { return make(http.Header, 16) }}

// prepare makes h the header that the API server should see, and notes the protocol that
// the client asks to switch to. A server may ignore an upgrade
// (RFC 9110 section 7.8); one whose body would have to be streamed is ignored here.
func (rl *relay) prepare(h http.Header) {
	upgrade := upgradeType(rl.r)
	if rl.r.ContentLength < 0 || rl.r.ContentLength > maxUpgradeBody {
		upgrade = ""
	}
	PassRequest(h, rl.r.Header)
	if upgrade != "" {
		h["Connection"] = []string{"Upgrade"}
		h["Upgrade"] = []string{upgrade}
	}
	for k := range rl.r.Trailer { // net/http moves the announcement there
		h.Add("Trailer", k)
	}
	rl.upgrade = upgrade
}

// readBody appends a body that fits the first message to the head, and prepares
// the upload of any other.
func (rl *relay) readBody(b []byte) ([]byte, error) {
	n, length := len(b), rl.r.ContentLength
	switch {
	case length == 0:
		return b, nil
	case length < 0 || length > int64(subjects.MaxPayload-n) && rl.x.fin:
		rl.x.upload = newUpload(rl.w, rl.r, rl.x.usage)
		rl.x.fin = false
		return b, nil
	}
	b = slices.Grow(b, int(length))[:n+int(length)]
	if got, err := io.ReadFull(rl.r.Body, b[n:]); err != nil {
		return b[:n+got], answer.Failf(answer.BadRequest, "request body: %w", err)
	}
	if err := rl.x.usage.Take(rl.ctx, int(length)); err != nil {
		return b, err
	}
	if f := rl.lease.Check(rl.ctx); f != nil { // the body may have taken hours to arrive
		return b, f.With(notExecuted)
	}
	return b, nil
}

// uploading reports whether the client still sends, as far as is known.
func (rl *relay) uploading() bool { return rl.x.upload != nil && !rl.x.upload.consumed.Load() }

// closeAfterResponse keeps a connection from serving another request if this one
// has not been read to its end.
func (rl *relay) closeAfterResponse() {
	if rl.uploading() && rl.r.ProtoMajor == 1 {
		rl.w.Header().Set("Connection", "close")
	}
}

// flushEarly sends an early response before the rest of the upload is read. Its
// error is ignored, since later writes report it again.
func (rl *relay) flushEarly() {
	if rl.uploading() {
		_ = rl.w.(flusher).FlushError()
	}
}

// flusher is implemented by net/http's ResponseWriters.
type flusher interface{ FlushError() error }

var errUnasked = errors.New("a 101 to a request that asked for no upgrade")

// checkUpgrade demands that the API server switched to the protocol that was asked
// for.
func checkUpgrade(head *subjects.ResponseHead, asked string) error {
	if asked == "" {
		return errUnasked
	}
	if got := head.Header["Upgrade"]; len(got) != 1 || !sameProtocol(got[0], asked) {
		return fmt.Errorf("asked to switch to %q, the API server switched to %q", asked, got)
	}
	return nil
}
