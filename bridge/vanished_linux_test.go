package bridge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// A client that hangs up in the middle of an upload of which the API server
// reads nothing is noticed, behind however many bytes; one that only waits is
// left alone.
func TestClientVanishesWhileItsUploadStandsStill(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		for _, begun := range []bool{false, true} {
			t.Run(fmt.Sprintf("plain=%v,begun=%v", plain, begun), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, rigOptions{plain: plain})
				goOn := make(chan struct{})
				full, ends := make(chan struct{}, 1), make(chan string, 10)
				r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
					if begun {
						_, _ = s.Write(encodeHead(200, -1))
					}
					for s.Buffered() <= stallFirst-1<<10 && s.Context().Err() == nil {
						time.Sleep(time.Millisecond)
					}
					full <- struct{}{}
					select {
					case <-s.Context().Done():
						ends <- fmt.Sprint(head.Target, " ", subjects.CodeOf(s.Err()))
					case <-goOn:
						o := drainBody(s)
						if !begun {
							_, _ = s.Write(encodeHead(200, -1))
						}
						_ = s.WriteFinal([]byte(fmt.Sprint(o.n)))
					}
				})
				// The first to come is looked at most often.
				patient := r.stalledUpload("/patient", full)
				for target, leave := range map[string]func(conn){
					"/closes": func(c conn) { _ = c.Close() },
					"/breaks": func(c conn) { abort(c) },
					"/half-closes": func(c conn) { // TCP: TLS's own word for it is behind the bytes
						if t, ok := c.(*tls.Conn); ok {
							c = t.NetConn().(*net.TCPConn)
						}
						_ = c.CloseWrite()
					},
				} {
					c := r.stalledUpload(target, full)
					leave(c)
					if got := within(t, target+" is noticed", 5*time.Second, ends); got != target+" "+subjects.CodeCanceled.String() {
						t.Errorf("%s: the agent's stream ended as %q, want canceled", target, got)
					}
				}
				r.eventually("one request is left", func() bool { return r.metric("fairlead_bridge_requests_in_flight") == 1 })
				close(goOn)
				if _, err := patient.Write(make([]byte, stallLength-stallFirst-stallMore)); err != nil {
					t.Fatal(err)
				}
				res, err := http.ReadResponse(bufio.NewReader(patient), nil)
				if err != nil || res.StatusCode != 200 {
					t.Fatalf("the patient client got %v, %v", res, err)
				}
				if b, err := io.ReadAll(res.Body); err != nil || string(b) != fmt.Sprint(stallLength) {
					t.Errorf("the patient client got %q, %v", b, err)
				}
			})
		}
	}
}

// stallLength is an upload's Content-Length, in bytes. If the agent does not read, the
// stream takes little more than stallFirst of it. stallMore stays in the bridge's
// socket, which has room for it.
const (
	stallLength = 1 << 20
	stallFirst  = subjects.InitialWindow
	stallMore   = 8 << 10
)

// stalledUpload sends the first part of a body. It returns when what the stream
// takes has come to the agent, as full tells, and more has been sent.
func (r *rig) stalledUpload(target string, full <-chan struct{}) conn {
	r.t.Helper()
	c, _ := r.raw(fmt.Sprintf("POST /k8s/clusters/prod%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n"+
		"Content-Length: %d\r\n\r\n", target, stallLength))
	if _, err := c.Write(make([]byte, stallFirst)); err != nil {
		r.t.Fatal(err)
	}
	within(r.t, "nothing more is taken", 5*time.Second, full)
	if _, err := c.Write(make([]byte, stallMore)); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// A client of an upgraded connection that breaks it is noticed though the API server
// reads none of its bytes. One that half-closes may wait for the output.
func TestUpgradedClientVanishesWhileItsInputStandsStill(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain=%v", plain), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, rigOptions{plain: plain})
			full, goOn, ended := make(chan struct{}, 1), make(chan struct{}), make(chan error, 2)
			r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
				_, _ = s.Write(switchTo("SPDY/3.1"))
				_ = s.Flush()
				for s.Buffered() <= stallFirst-1<<10 && s.Context().Err() == nil {
					time.Sleep(time.Millisecond)
				}
				full <- struct{}{}
				select {
				case <-s.Context().Done():
					ended <- s.Err()
				case <-goOn:
					_ = s.WriteFinal([]byte(fmt.Sprint(drainBody(s).n)))
				}
			})
			stalled := func() (conn, *bufio.Reader) {
				c, br := r.raw(upgradeHead)
				if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
					t.Fatalf("got %v, %v", res, err)
				}
				if _, err := c.Write(make([]byte, stallFirst+stallMore)); err != nil {
					t.Fatal(err)
				}
				within(t, "nothing more is taken", 5*time.Second, full)
				return c, br
			}
			patient, output := stalled()
			if err := patient.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			killed, _ := stalled()
			abort(killed)
			err := within(t, "it is noticed", 5*time.Second, ended)
			if subjects.CodeOf(err) != subjects.CodeCanceled {
				t.Errorf("the agent's stream ended with %v, want canceled", err)
			}
			close(goOn)
			if b, err := io.ReadAll(output); err != nil || string(b) != fmt.Sprint(stallFirst+stallMore) {
				t.Errorf("the client that half-closed got %q, %v", b, err)
			}
		})
	}
}
