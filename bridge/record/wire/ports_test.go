package wire

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"testing"

	mobyspdy "github.com/moby/spdystream/spdy"
)

// forwardOf is what the client of a port-forward sends that opens connections to ports,
// with some data on each.
func forwardOf(t testing.TB, ports ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	f, err := mobyspdy.NewFramer(&b, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := mobyspdy.StreamId(1)
	for i, p := range ports {
		for _, kind := range []string{"error", "data"} {
			h := http.Header{"Streamtype": {kind}, "Requestid": {strconv.Itoa(i)}}
			if p != "" {
				h["Port"] = []string{p}
			}
			for _, frame := range []mobyspdy.Frame{
				&mobyspdy.SynStreamFrame{StreamId: id, Headers: h}, &mobyspdy.PingFrame{Id: uint32(id)},
				&mobyspdy.DataFrame{StreamId: id, Data: bytes.Repeat([]byte("\x80\x03\x00\x01"), 50)}, &mobyspdy.DataFrame{StreamId: id, Flags: mobyspdy.DataFlagFin},
			} {
				if err := f.WriteFrame(frame); err != nil {
					t.Fatal(err)
				}
			}
			id += 2
		}
	}
	return b.Bytes()
}

// masked is b as messages of a client, in pieces.
func masked(b []byte) (out []byte) {
	for piece := range slices.Chunk(b, 700) {
		out = append(out, frame(0x82, string(piece), 5)...)
	}
	return out
}

func newPorts(t testing.TB, webSocket bool) *Ports {
	t.Helper()
	protocol, header := "SPDY/3.1", http.Header{}
	if webSocket {
		protocol, header = "websocket", http.Header{"Sec-Websocket-Protocol": {tunnelled}}
	}
	p := NewPorts(protocol, header)
	if p == nil {
		t.Fatalf("%s is not followed", protocol)
	}
	return p
}

func TestPorts(t *testing.T) {
	b := forwardOf(t, "8080", "53", "8080", "65535")
	want := []uint16{8080, 53, 65535}
	for _, webSocket := range []bool{false, true} {
		for _, step := range []int{1, 7, 1 << 20} {
			p, sent := newPorts(t, webSocket), b
			if webSocket {
				sent = masked(b)
			}
			for piece := range slices.Chunk(sent, step) {
				p.FromClient(piece)
			}
			if got, all := p.List(); !slices.Equal(got, want) || !all {
				t.Errorf("WebSocket %v, in pieces of %d: %v, %v, want %v", webSocket, step, got, all, want)
			}
		}
	}
	for _, protocol := range []string{"v4.channel.k8s.io", ""} {
		if NewPorts("websocket", http.Header{"Sec-Websocket-Protocol": {protocol}}) != nil {
			t.Errorf("%q is followed, and its ports are in the query", protocol)
		}
	}
}

// What cannot be read, or is too much, is never taken for all there is.
func TestPortsAreIncomplete(t *testing.T) {
	var many []string
	for i := range maxPorts + 10 {
		many = append(many, strconv.Itoa(1000+i))
	}
	good := forwardOf(t, "80")
	headers := bytes.Clone(good)
	headers[3] = typeHeaders
	for name, tt := range map[string]struct {
		b         []byte
		webSocket bool
		ports     int
	}{
		"many":                      {forwardOf(t, many...), false, maxPorts},
		"without a port":            {forwardOf(t, "80", ""), false, 1},
		"not a port":                {forwardOf(t, "80", "65536"), false, 1},
		"another version of SPDY":   {append(bytes.Clone(good), 0x80, 0x02, 0, 1, 0, 0, 0, 4), false, 1},
		"headers that come later":   {headers, false, 0},
		"a client without a mask":   {frame(0x82, string(good[:100]), 0), true, 0},
		"compressed messages":       {frame(0xc2, string(good[:100]), 1), true, 0},
		"a block that is cut short": {append(append(bytes.Clone(good), 0x80, 0x03, 0, 1, 0, 0, 0, 12), make([]byte, 12)...), false, 1},
	} {
		p := newPorts(t, tt.webSocket)
		p.FromClient(tt.b)
		p.FromClient(good)
		if got, all := p.List(); len(got) != tt.ports || all {
			t.Errorf("%s: %v, complete %v, want %d ports of unknown many", name, got, all, tt.ports)
		}
	}
}

// BenchmarkPorts is the cost of an upload of 64 KiB.
func BenchmarkPorts(b *testing.B) {
	var up bytes.Buffer
	f, err := mobyspdy.NewFramer(&up, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := f.WriteFrame(&mobyspdy.DataFrame{StreamId: 1, Data: make([]byte, 64<<10)}); err != nil {
		b.Fatal(err)
	}
	for _, webSocket := range []bool{false, true} {
		b.Run(strconv.FormatBool(webSocket), func(b *testing.B) {
			p, sent := newPorts(b, webSocket), up.Bytes()
			if webSocket {
				sent = masked(sent)
			}
			b.SetBytes(int64(len(sent)))
			b.ReportAllocs()
			for b.Loop() {
				p.FromClient(sent)
			}
			if _, all := p.List(); !all {
				b.Error("not followed")
			}
		})
	}
}

func FuzzPorts(f *testing.F) {
	f.Add(forwardOf(f, "80", "443"), false, byte(3))
	f.Add(masked(forwardOf(f, "80")), true, byte(50))
	f.Fuzz(func(t *testing.T, b []byte, webSocket bool, step byte) {
		whole, pieces := newPorts(t, webSocket), newPorts(t, webSocket)
		whole.FromClient(b)
		for piece := range slices.Chunk(b, int(step)+1) {
			pieces.FromClient(piece)
		}
		got, all := pieces.List()
		if want, wantAll := whole.List(); !slices.Equal(got, want) || all != wantAll || len(got) > maxPorts {
			t.Errorf("in pieces %v, %v, at once %v, %v", got, all, want, wantAll)
		}
	})
}
