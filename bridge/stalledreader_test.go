package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// A reader that stops costs the memory of its window and delays no other request.
func TestStalledReadersDelayNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{plain: true})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if head.Target != "/big" {
			reply(s, 200, "hello")
			return
		}
		_, _ = s.Write(encodeHead(200, 1<<30))
		chunk := make([]byte, 64<<10)
		for range 1 << 14 {
			if _, err := s.Write(chunk); err != nil {
				return
			}
		}
	})
	for range 50 {
		_, br := r.raw("GET /k8s/clusters/prod/big HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n\r\n")
		if line, err := br.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("%q, %v", line, err)
		}
		// and read no more
	}
	// How long is the benchmark's business; here nothing may stand still.
	r.h1.Timeout = 10 * time.Second
	for range 20 {
		if _, body := r.do(r.h1, r.request("GET", "/k8s/clusters/prod/small", nil)); body != "hello" {
			t.Fatalf("got %q", body)
		}
	}
}
