package wire

import (
	"bytes"
	"net/http"
	"slices"
	"testing"

	framer "github.com/moby/spdystream/spdy"
)

// forwardFrames are SPDY frames as client and server of a port-forward write them.
func forwardFrames(t *testing.T, frames ...framer.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	f, err := framer.NewFramer(&b, &b)
	if err != nil {
		t.Fatal(err)
	}
	for _, frame := range frames {
		if err := f.WriteFrame(frame); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func opens(id framer.StreamId, kind string) *framer.SynStreamFrame {
	return &framer.SynStreamFrame{StreamId: id, Headers: http.Header{"Streamtype": {kind}, "Port": {"80"}}}
}

// TestForward: which streams are ended with a reason, however the bytes come, and that
// nothing is added within a frame.
func TestForward(t *testing.T) {
	client := forwardFrames(t, opens(1, "error"), opens(3, "data"), opens(5, "error"), opens(7, "data"), opens(9, "error"), opens(11, "data"),
		&framer.DataFrame{StreamId: 1, Flags: framer.DataFlagFin}, &framer.DataFrame{StreamId: 3, Data: []byte("hello")}, // a client ends only its own half
		&framer.RstStreamFrame{StreamId: 11, Status: framer.Cancel})
	server := forwardFrames(t, &framer.SynReplyFrame{StreamId: 1}, &framer.DataFrame{StreamId: 3, Data: []byte("hello")},
		&framer.DataFrame{StreamId: 5, Data: []byte("refused")}, &framer.DataFrame{StreamId: 7, Flags: framer.DataFlagFin},
		&framer.RstStreamFrame{StreamId: 9, Status: framer.Cancel})
	want := forwardFrames(t, &framer.DataFrame{StreamId: 1, Flags: framer.DataFlagFin, Data: []byte("why")}, &framer.DataFrame{StreamId: 3, Flags: framer.DataFlagFin, Data: []byte{}})
	for size := 1; size <= len(client); size++ {
		f := NewForward("spdy/3.1", http.Header{"X-Stream-Protocol-Version": {"portforward.k8s.io"}})
		for c := range slices.Chunk(client, size) {
			f.FromClient(c)
		}
		for i, c := range slices.Collect(slices.Chunk(server, size)) {
			f.ToClient(c)
			if end := min(len(server), (i+1)*size); end < len(server) && f.server.rest() > 0 && f.Frames("why") != nil {
				t.Fatalf("pieces of %d: something is added within a frame", size)
			}
		}
		if got := f.Frames("why"); !bytes.Equal(got, want) {
			t.Fatalf("pieces of %d: %x, want %x", size, got, want)
		}
		f.ToClient(server[:3])
		if f.Between() || f.Frames("why") != nil {
			t.Fatalf("pieces of %d: something is added within a head", size)
		}
	}
}

// TestForwardIsBounded: nothing is kept for streams without end, and what cannot be read
// ends it.
func TestForwardIsBounded(t *testing.T) {
	f := NewForward("spdy/3.1", http.Header{"X-Stream-Protocol-Version": {"portforward.k8s.io"}})
	var all []framer.Frame
	for i := range 2 * maxForwarded {
		all = append(all, opens(framer.StreamId(2*i+1), "error"))
	}
	f.FromClient(forwardFrames(t, all...))
	if len(f.open) != maxForwarded {
		t.Errorf("%d streams are kept", len(f.open))
	}
	f.ToClient([]byte("\x80\x07 not SPDY"))
	if f.Between() || f.Frames("why") != nil {
		t.Error("something is added to what is not SPDY")
	}
	for _, h := range []http.Header{{}, {"X-Stream-Protocol-Version": {"v4.channel.k8s.io"}}, {"X-Stream-Protocol-Version": {"portforward.k8s.io", "x"}}} {
		if NewForward("spdy/3.1", h) != nil {
			t.Errorf("%v is a port-forward", h)
		}
	}
	for _, chosen := range []string{"", "v5.channel.k8s.io"} {
		if NewForward("websocket", http.Header{"Sec-Websocket-Protocol": {chosen}}) != nil {
			t.Errorf("WebSocket protocol %q is a port-forward", chosen)
		}
	}
}
