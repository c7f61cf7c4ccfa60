package agenttest

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Get is the head of a GET.
func Get(target string) *subjects.RequestHead {
	return &subjects.RequestHead{Method: "GET", Target: target, Header: http.Header{}}
}

// Post is the head of a POST with a body of that length.
func Post(target string, length int64) *subjects.RequestHead {
	return &subjects.RequestHead{Method: "POST", Target: target, ContentLength: length, Header: http.Header{}}
}

// UpgradeTo is the head of a request for another protocol.
func UpgradeTo(method, target, protocol string) *subjects.RequestHead {
	return &subjects.RequestHead{Method: method, Target: target, Header: http.Header{
		"Connection": {"keep-alive, Upgrade"}, "Upgrade": {protocol}, "X-Stream-Protocol-Version": {"v4", "v5"},
	}}
}

// AnswerHead reads a response's head.
func AnswerHead(s *stream.Stream) (*subjects.ResponseHead, error) {
	prefix := make([]byte, subjects.HeadPrefixLen)
	if _, err := io.ReadFull(s, prefix); err != nil {
		return nil, err
	}
	n, err := subjects.HeadLen(prefix)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s, b); err != nil {
		return nil, err
	}
	head := new(subjects.ResponseHead)
	return head, head.Parse(b)
}

// MustHead reads a response's head, or ends the test.
func MustHead(t testing.TB, s *stream.Stream) *subjects.ResponseHead {
	t.Helper()
	head, err := AnswerHead(s)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return head
}

// WantReset reads until the stream's end and checks the code that ends it.
func WantReset(t testing.TB, s *stream.Stream, want subjects.Code) {
	t.Helper()
	_, err := io.Copy(io.Discard, s)
	if got := subjects.CodeOf(err); got != want {
		t.Errorf("stream ended with %v, want code %v", err, want)
	}
}

// Call makes one request to an instance of cluster prod and returns its status.
func Call(t *testing.T, b *natslink.Bridge, instance string, head *subjects.RequestHead) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	first, err := subjects.AppendRequestHead(nil, head)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Open(ctx, "prod", instance, first, true)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	h, err := AnswerHead(s)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, s)
	return h.Status, err
}
