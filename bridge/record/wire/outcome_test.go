package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"testing"

	mobyspdy "github.com/moby/spdystream/spdy"
)

func protocolVersion(v string) http.Header { return http.Header{"X-Stream-Protocol-Version": {v}} }

// frameEnds returns the offsets at which a frame ends.
func frameEnds(b []byte) map[int]bool {
	ends := map[int]bool{0: true}
	for at := 0; at+spdyHead <= len(b); {
		at += spdyHead + int(binary.BigEndian.Uint32(b[at+4:])&0xffffff)
		ends[at] = true
	}
	return ends
}

// TestOutcome: an outcome can be sent wherever a frame to the client has ended, however
// the bytes came, and nowhere else.
func TestOutcome(t *testing.T) {
	client, server := spdySession(t)
	ends := frameEnds(server)
	for _, step := range []int{1, 7, 1 << 20} {
		for cut := range len(server) + 1 {
			o := NewOutcome(protocolVersion("v4.channel.k8s.io"))
			_ = inPieces(client, step, func(b []byte) error { o.FromClient(b); return nil })
			_ = inPieces(server[:cut], step, func(b []byte) error { o.ToClient(b); return nil })
			if o.Open() != ends[cut] {
				t.Fatalf("in pieces of %d, after %d bytes: open is %v", step, cut, o.Open())
			}
			last := o.Frame([]byte("status"), "text")
			if (last != nil) != ends[cut] {
				t.Fatalf("after %d bytes: %q", cut, last)
			}
			if last == nil {
				continue
			}
			all := append(bytes.Clone(server[:cut]), last...)
			if d := lastFrame(t, all); d.StreamId != 1 || string(d.Data) != "status" || d.Flags != mobyspdy.DataFlagFin {
				t.Errorf("after %d bytes: %+v", cut, d)
			}
		}
	}
}

func lastFrame(t *testing.T, b []byte) *mobyspdy.DataFrame {
	t.Helper()
	f, err := mobyspdy.NewFramer(io.Discard, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var last mobyspdy.Frame
	for {
		next, err := f.ReadFrame()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = next
	}
	d, ok := last.(*mobyspdy.DataFrame)
	if !ok {
		t.Fatalf("the last frame is %+v", last)
	}
	return d
}

// TestNoOutcome: none is sent twice, on a channel that is not known, or in another
// protocol.
func TestNoOutcome(t *testing.T) {
	client, server := spdySession(t)
	data := func(flags byte, payload string) []byte {
		return append([]byte{0, 0, 0, 1, flags, 0, 0, byte(len(payload))}, payload...)
	}
	for name, tt := range map[string]struct{ client, server []byte }{
		"told":            {client, append(bytes.Clone(server), data(spdyFin, "x")...)},
		"told in part":    {client, append(bytes.Clone(server), data(0, "x")...)},
		"channel ended":   {client, append(bytes.Clone(server), data(spdyFin, "")...)},
		"no channels":     {nil, server},
		"unreadable":      {append([]byte{0x80, 9, 0, 1, 0, 0, 0, 0}, client...), server},
		"opened too late": {append(append([]byte{0, 0, 0, 3, 0, 2, 0, 0}, make([]byte, 2*maxOpening)...), client...), server},
	} {
		o := NewOutcome(protocolVersion("v4.channel.k8s.io"))
		_ = inPieces(tt.client, 1<<10, func(b []byte) error { o.FromClient(b); return nil })
		o.ToClient(tt.server)
		if o.Open() || o.Frame([]byte("status"), "text") != nil {
			t.Errorf("%s: an outcome can be sent", name)
		}
	}
	for _, h := range []http.Header{{}, protocolVersion("portforward.k8s.io"), protocolVersion("v5.channel.k8s.io"), {"X-Stream-Protocol-Version": {"v4.channel.k8s.io", "v4.channel.k8s.io"}}} {
		if NewOutcome(h) != nil {
			t.Errorf("%v is followed", h)
		}
	}
	o := NewOutcome(protocolVersion("v3.channel.k8s.io"))
	o.FromClient(client)
	if d := lastFrame(t, o.Frame([]byte("status"), "text")); string(d.Data) != "text" {
		t.Errorf("a version without Status: %q", d.Data)
	}
	if o.opening != nil {
		t.Error("the client is followed on")
	}
}
