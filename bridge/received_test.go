package bridge

import (
	"bytes"
	"io"
	"regexp"
	"strconv"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestBytesOfFailedUploadsAreCounted: an upload that ends in an answer of the
// bridge's own has still been received.
func TestBytesOfFailedUploadsAreCounted(t *testing.T) {
	t.Parallel()
	const taken = 1 << 20
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = io.CopyN(io.Discard, s, taken)
		s.Reset(subjects.CodeUpstream, "connection lost")
	})
	res, body := r.do(r.h2, r.request("POST", "/k8s/clusters/prod/x", bytes.NewReader(make([]byte, 8<<20))))
	wantFailure(t, res, body, answer.UpstreamLost)
	received := regexp.MustCompile(`received=(\d+)`)
	r.eventually("the request is logged", func() bool { return received.MatchString(r.log.String()) })
	if n, _ := strconv.Atoi(received.FindStringSubmatch(r.log.String())[1]); n < taken {
		t.Errorf("%d bytes received in the log, want at least the %d that the agent read", n, taken)
	}
}
