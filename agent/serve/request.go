package serve

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/agent/upstream/http1"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// headTimeout bounds how long a stream may take to bring its head, once it has
// begun: bridges send it in one message or, if it is large, in consecutive ones.
const headTimeout = 10 * time.Second

// readHead reads the request's head. rest is what followed it in the same
// message: the body, or its beginning.
func readHead(s *stream.Stream) (head *subjects.RequestHead, rest []byte, err error) {
	b, err := s.Next()
	if err != nil {
		return nil, nil, headFault(err)
	}
	if !headComplete(b) {
		if b, err = gatherHead(s, b); err != nil {
			return nil, nil, headFault(err)
		}
	}
	n, err := subjects.HeadLen(b)
	if err != nil {
		return nil, nil, headFault(err)
	}
	end := subjects.HeadPrefixLen + n
	head, err = subjects.ParseRequestHead(b[subjects.HeadPrefixLen:end])
	if err != nil {
		return nil, nil, headFault(err)
	}
	return head, b[end:], nil
}

func headComplete(b []byte) bool {
	if len(b) < subjects.HeadPrefixLen {
		return false
	}
	n, err := subjects.HeadLen(b)
	return err != nil || len(b) >= subjects.HeadPrefixLen+n // the error is found again
}

func gatherHead(s *stream.Stream, b []byte) ([]byte, error) {
	_ = s.SetReadDeadline(time.Now().Add(headTimeout))
	defer func() { _ = s.SetReadDeadline(time.Time{}) }()
	b = append([]byte(nil), b...)
	for !headComplete(b) {
		more, err := s.Next()
		if err != nil {
			return nil, err
		}
		b = append(b, more...)
	}
	return b, nil
}

// headFault is the fault of a head or trailer that did not arrive, or that
// breaks the wire contract.
func headFault(err error) error {
	switch {
	case errors.Is(err, subjects.ErrHeadTooLarge):
		return fault.Newf(subjects.CodeTooLarge, "%w", err)
	case errors.Is(err, subjects.ErrExtension):
		return fault.Newf(subjects.CodeIncompatible, "%w", err)
	}
	return fault.Newf(subjects.CodeProtocol, "read request head or trailer: %w", err)
}

// exchange is one request and its response.
type exchange struct {
	stream  *stream.Stream
	head    *subjects.RequestHead
	request *http.Request
	upgrade string // the protocol that the request asks for, "" for none
	rest    []byte // of an upgrade: what the client sent ahead of the 101
	body    *streamedBody
}

// newExchange builds the request, to be executed as that user, or as the agent itself.
// It modifies and keeps the head's header.
func (h *Handler) newExchange(ctx context.Context, s *stream.Stream, head *subjects.RequestHead, rest []byte, as *user) (*exchange, error) {
	if head.Method == http.MethodConnect {
		return nil, fault.Newf(subjects.CodeBadRequest, "method CONNECT is not supported")
	}
	if isReview(head.Extensions) {
		body, err := reviewInstead(head)
		if err != nil {
			return nil, err
		}
		rest = body
	}
	target, err := h.up.Target(head.Target)
	if err != nil {
		return nil, err
	}
	x := &exchange{stream: s, head: head, upgrade: upgradeOf(head.Header)}
	trailer := head.Header["Trailer"]
	cleanRequestHeader(head.Header, x.upgrade)
	if as != nil {
		if err := as.claim(head.Header); err != nil {
			return nil, err
		}
	}
	req := blank.WithContext(ctx)
	req.Method, req.URL, req.Host, req.Header = head.Method, target, h.up.Host(), head.Header
	if _, ok := head.Header["User-Agent"]; !ok {
		head.Header["User-Agent"] = noUserAgent
	}
	if !http1.Harmless(head.Method) {
		hideIdempotencyKeys(head.Header)
	}
	if x.upgrade != "" {
		x.rest = rest // raw bytes: they wait for the 101
	} else if err := x.setBody(req, rest, trailer, h); err != nil {
		return nil, err
	}
	x.request = req
	return x, nil
}

// blank is copied for each request, since only a copy can be given a context.
var blank = http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}

// noUserAgent keeps net/http from adding its own.
var noUserAgent = []string{""}

// upgradeOf returns the protocol that a header asks to switch to, "" for none.
// HTTP/2 does not count: its requests would pass the agent unseen.
func upgradeOf(h http.Header) string {
	if len(h["Upgrade"]) == 0 || !subjects.HasToken(h["Connection"], "upgrade") {
		return ""
	}
	up := h["Upgrade"][0]
	if subjects.HasToken(h["Upgrade"], "h2c") {
		return ""
	}
	return up
}

// cleanRequestHeader removes hop-by-hop headers and every claim to an identity.
// Which identity a caller has in the cluster is for the cluster's owner to say:
// it is never passed on from outside.
func cleanRequestHeader(h http.Header, upgrade string) {
	subjects.StripNamed(h, h["Connection"])
	te := subjects.HasToken(h["Te"], "trailers")
	for name := range h {
		switch name {
		case "Authorization", "Trailer", "Expect", "Host", "Content-Length":
			delete(h, name)
		default:
			if subjects.HopByHop(name) || subjects.ClaimsIdentity(name) {
				delete(h, name)
			}
		}
	}
	subjects.StripBearerProtocol(h)
	if te {
		h["Te"] = []string{"trailers"}
	}
	if upgrade != "" {
		h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{upgrade}
	}
}
