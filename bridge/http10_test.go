package bridge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// A client of HTTP/1.0 takes the end of the connection for the end of a body
// without length: a response that broke must break the connection itself.
func TestBrokenResponseOverHTTP10(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		r := newRig(t, rigOptions{plain: plain})
		broke := make(chan struct{})
		r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
			_, _ = s.Write(append(encodeHead(200, -1), "half"...))
			<-broke
			s.Reset(subjects.CodeUpstream, "connection lost")
		})
		var c net.Conn
		if plain {
			var err error
			if c, err = net.Dial("tcp", r.addr); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		} else {
			c = r.dial()
		}
		_, _ = io.WriteString(c, "GET /k8s/clusters/prod/x HTTP/1.0\r\nAuthorization: Bearer "+r.token+"\r\n\r\n")
		var got []byte
		b := make([]byte, 4<<10)
		for !endsWith(got, "half") {
			n, err := c.Read(b)
			if got = append(got, b[:n]...); err != nil {
				t.Fatalf("plain %v: got %q, %v", plain, got, err)
			}
		}
		close(broke)
		if n, err := c.Read(b); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("plain %v: after half a body %d bytes and %v, want a broken connection", plain, n, err)
		}
	}
}

func endsWith(b []byte, s string) bool { return len(b) >= len(s) && string(b[len(b)-len(s):]) == s }

// An HTTP/1.0 client, too, gets the bytes that had arrived before the break, however
// slowly it reads.
func TestBytesBeforeABreakOverHTTP10(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789abcdef"), 16<<10) // less than a window
	for _, plain := range []bool{false, true} {
		if plain && runtime.GOOS != "linux" {
			continue // see unsent
		}
		r := newRig(t, rigOptions{plain: plain})
		r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
			_, _ = s.Write(append(encodeHead(200, -1), body...))
			_ = s.Flush()
			s.Reset(subjects.CodeUpstream, "connection lost")
		})
		c, br := r.raw("GET /k8s/clusters/prod/x HTTP/1.0\r\nAuthorization: Bearer $TOKEN\r\n\r\n")
		narrow(t, c)
		var got bytes.Buffer
		_, err := io.Copy(&got, slowly{br})
		if !bytes.HasSuffix(got.Bytes(), body) || err == nil {
			t.Errorf("plain %v: got %d bytes and %v, want all %d and then a break", plain, got.Len(), err, len(body))
		}
	}
}
