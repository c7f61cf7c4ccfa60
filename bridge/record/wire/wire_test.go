package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"testing"

	mobyspdy "github.com/moby/spdystream/spdy"
)

// log keeps what channels carry.
type log [5]bytes.Buffer

func (l *log) Data(c Channel, b []byte) error {
	l[c].Write(b)
	return nil
}

func (l *log) String() string {
	var b strings.Builder
	for c := range l {
		if l[c].Len() > 0 {
			b.WriteString(Channel(c).String() + "=" + l[c].String() + ";")
		}
	}
	return b.String()
}

// frame is a WebSocket frame, masked if mask is not 0.
func frame(first byte, payload string, mask byte) []byte {
	b := []byte{first, byte(len(payload))}
	if len(payload) > maxShort {
		b = binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(len(payload)))
	}
	if mask == 0 {
		return append(b, payload...)
	}
	b[1] |= bitMask
	b = append(b, mask, mask+1, mask+2, mask+3)
	for i := range len(payload) {
		b = append(b, payload[i]^(mask+byte(i&3)))
	}
	return b
}

func webSocketWith(t testing.TB, protocol string) (Parser, *log) {
	t.Helper()
	l := &log{}
	p, err := New("WebSocket", http.Header{"Sec-Websocket-Protocol": {protocol}}, l)
	if err != nil {
		t.Fatal(err)
	}
	return p, l
}

func TestWebSocket(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	for name, tt := range map[string]struct {
		protocol       string
		client, server []byte
		want           string
	}{
		"plain": {"v4.channel.k8s.io", frame(0x82, "\x00ls\n", 7), frame(0x82, "\x01out", 0), "stdin=ls\n;stdout=out;"},
		"fragments of a server, with a ping between": {"v4.channel.k8s.io", nil,
			bytes.Join([][]byte{frame(0x02, "\x02a", 0), frame(0x89, "ping", 0), frame(0x00, "b", 0), frame(0x80, "c", 0)}, nil), "stderr=abc;"},
		"long":   {"v4.channel.k8s.io", frame(0x82, "\x00"+strings.Repeat("x", 5000), 9), nil, "stdin=" + strings.Repeat("x", 5000) + ";"},
		"closed": {"v5.channel.k8s.io", frame(0x82, "\xff\x00", 3), nil, ""},
		"base64": {"v4.base64.channel.k8s.io", frame(0x81, "0"+encode([]byte("hello")), 1), frame(0x81, "1"+encode(bytes.Repeat([]byte("x"), 3001)), 0),
			"stdin=hello;stdout=" + strings.Repeat("x", 3001) + ";"},
		"what a server drops": {"v4.channel.k8s.io", append(frame(0x82, "\x01x", 1), frame(0x82, "\x09x", 1)...), nil, ""},
		"empty":               {"v5.channel.k8s.io", frame(0x82, "", 1), append(frame(0x82, "\x00", 0), frame(0x88, "", 0)...), ""},
	} {
		for _, step := range []int{1, 3, 1 << 20} {
			p, l := webSocketWith(t, tt.protocol)
			if err := errors.Join(inPieces(tt.client, step, p.FromClient), inPieces(tt.server, step, p.ToClient)); err != nil || l.String() != tt.want {
				t.Errorf("%s in pieces of %d: %.80q, %v, want %.80q", name, step, l.String(), err, tt.want)
			}
			if p.Farewell("x") == nil {
				t.Errorf("%s: no farewell", name)
			}
		}
	}
}

func inPieces(b []byte, step int, feed func([]byte) error) error {
	for len(b) > 0 {
		k := min(step, len(b))
		if err := feed(b[:k]); err != nil {
			return err
		}
		b = b[k:]
	}
	return nil
}

// TestWebSocketRefused: whatever could be read in another way.
func TestWebSocketRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		client bool
		b      []byte
		want   error
	}{
		"fragment of a client":  {true, frame(0x02, "\x00x", 1), errFragments},
		"client without a mask": {true, frame(0x82, "\x00x", 0), errMask},
		"server with a mask":    {false, frame(0x82, "\x01x", 1), errMask},
		"compressed":            {false, frame(0xc2, "\x01x", 0), errReserved},
		"unknown opcode":        {false, frame(0x83, "\x01x", 0), errOpcode},
		"long ping":             {false, []byte{0x89, 126, 0, 200}, errControl},
		"nothing to continue":   {false, frame(0x80, "\x01x", 0), errSequence},
		"two messages":          {false, append(frame(0x02, "\x01x", 0), frame(0x82, "\x01x", 0)...), errSequence},
		"huge":                  {false, []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, errLength},
		"output on stdin":       {false, frame(0x82, "\x00x", 0), errWrongWay},
		"output elsewhere":      {false, frame(0x82, "\x07x", 0), errChannel},
	} {
		p, _ := webSocketWith(t, "v5.channel.k8s.io")
		feed := p.ToClient
		if tt.client {
			feed = p.FromClient
		}
		if err := inPieces(tt.b, 1, feed); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// spdySession is what a client and a server send, by the implementation that both use.
func spdySession(t testing.TB) (client, server []byte) {
	t.Helper()
	var up, down bytes.Buffer
	c, err := mobyspdy.NewFramer(&up, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mobyspdy.NewFramer(&down, nil)
	if err != nil {
		t.Fatal(err)
	}
	write := func(f *mobyspdy.Framer, frame mobyspdy.Frame) {
		t.Helper()
		if err := f.WriteFrame(frame); err != nil {
			t.Fatal(err)
		}
	}
	for i, kind := range []string{"error", "stdin", "stdout", "stderr", "resize"} {
		id := mobyspdy.StreamId(2*i + 1)
		write(c, &mobyspdy.SynStreamFrame{StreamId: id, Headers: http.Header{"Streamtype": {kind}}})
		write(s, &mobyspdy.SynReplyFrame{StreamId: id, Headers: http.Header{}})
	}
	write(c, &mobyspdy.PingFrame{Id: 1})
	write(s, &mobyspdy.PingFrame{Id: 1})
	write(c, &mobyspdy.DataFrame{StreamId: 3, Data: []byte("ls\n")})
	write(c, &mobyspdy.DataFrame{StreamId: 9, Data: []byte(`{"Width":1}`)})
	write(s, &mobyspdy.DataFrame{StreamId: 5, Data: []byte("out")})
	write(s, &mobyspdy.DataFrame{StreamId: 7, Data: []byte("err")})
	write(s, &mobyspdy.DataFrame{StreamId: 3, Flags: mobyspdy.DataFlagFin})
	write(s, &mobyspdy.SettingsFrame{FlagIdValues: []mobyspdy.SettingsFlagIdValue{{Id: 4, Value: 5}}})
	write(s, &mobyspdy.WindowUpdateFrame{StreamId: 5, DeltaWindowSize: 1})
	write(c, &mobyspdy.RstStreamFrame{StreamId: 3, Status: mobyspdy.Cancel})
	write(c, &mobyspdy.GoAwayFrame{})
	return up.Bytes(), down.Bytes()
}

func spdyParser(l *log) Parser {
	return newSPDY(http.Header{"X-Stream-Protocol-Version": {"v4.channel.k8s.io"}}, l)
}

func TestSPDY(t *testing.T) {
	client, server := spdySession(t)
	for _, step := range []int{1, 5, 1 << 20} {
		l := &log{}
		p := spdyParser(l)
		if err := errors.Join(inPieces(client, step, p.FromClient), inPieces(server, step, p.ToClient)); err != nil {
			t.Fatal(err)
		}
		if got, want := l.String(), `stdin=ls`+"\n"+`;stdout=out;stderr=err;resize={"Width":1};`; got != want {
			t.Errorf("in pieces of %d: %q, want %q", step, got, want)
		}
		f, err := mobyspdy.NewFramer(&bytes.Buffer{}, bytes.NewReader(p.Farewell("disk full")))
		if err != nil {
			t.Fatal(err)
		}
		last, err := f.ReadFrame()
		if d, ok := last.(*mobyspdy.DataFrame); err != nil || !ok || d.StreamId != 1 || !bytes.Contains(d.Data, []byte(`"message":"disk full"`)) {
			t.Errorf("farewell %+v, %v", last, err)
		}
	}
}

// TestSPDYRefused: whatever the API server would read in another way, or drop.
func TestSPDYRefused(t *testing.T) {
	control := func(version, kind uint16, b ...byte) []byte {
		head := binary.BigEndian.AppendUint16(nil, 0x8000|version)
		head = binary.BigEndian.AppendUint16(head, kind)
		return append(binary.BigEndian.AppendUint32(head, uint32(len(b))), b...)
	}
	data := func(id uint32) []byte { return append(binary.BigEndian.AppendUint32(nil, id), 0, 0, 0, 1, 'x') }
	again := control(3, typeSynStream, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	for name, tt := range map[string]struct {
		client bool
		b      []byte
		want   error
	}{
		"version":                 {true, control(2, typePing, 0, 0, 0, 1), errVersion},
		"unknown frame":           {true, control(3, 5, 0), errFrame},
		"ping that hides a frame": {true, control(3, typePing, 0, 0, 0, 1, 0x80, 3, 0, 1), errSize},
		"settings of a lie":       {true, control(3, typeSettings, 0, 0, 0, 9), errSize},
		"huge headers":            {true, []byte{0x80, 3, 0, 1, 0, 1, 0, 0}, errTooLarge},
		"headers later":           {true, control(3, typeHeaders, 0, 0, 0, 1), errLater},
		"stream again":            {true, again, errStreamID},
		"bad headers":             {true, control(3, typeSynStream, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 'x'), errHeaders},
		"stream of the server":    {false, again, errOpens},
		"unknown stream":          {false, data(11), errUnknown},
		"output on stdin":         {false, data(3), errWrongWay},
		"empty":                   {false, []byte{0x80, 3, 0, 6, 0, 0, 0, 0}, errSize},
	} {
		p := spdyParser(&log{})
		client, server := spdySession(t)
		if err := errors.Join(p.FromClient(client), p.ToClient(server)); err != nil {
			t.Fatal(err)
		}
		feed := p.ToClient
		if tt.client {
			feed = p.FromClient
		}
		if err := inPieces(tt.b, 1, feed); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// TestStreamTypes: names that hide what a stream is.
func TestStreamTypes(t *testing.T) {
	for name, h := range map[string]http.Header{
		"none": {}, "unknown": {"Streamtype": {"Stdout"}}, "two": {"Streamtype": {"stdin", "stdout"}}, "data": {"Streamtype": {"data"}},
		"long": {"Streamtype": {"stdout"}, "X": {strings.Repeat("x", maxHeaderSize+1)}},
	} {
		var b bytes.Buffer
		f, err := mobyspdy.NewFramer(&b, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.WriteFrame(&mobyspdy.SynStreamFrame{StreamId: 1, Headers: h}); err != nil {
			t.Fatal(err)
		}
		if err := spdyParser(&log{}).FromClient(b.Bytes()); err == nil {
			t.Errorf("%s: the stream was taken", name)
		}
	}
}

// FuzzWebSocket and FuzzSPDY: pieces do not matter, and nothing panics.
func FuzzWebSocket(f *testing.F) {
	f.Add(frame(0x82, "\x00ls\n", 7), frame(0x82, "\x01out", 0), byte(3), byte(0))
	f.Add([]byte("0"), []byte("\x81000000000 "), byte(1), byte(1))
	f.Add(frame(0x81, "0aGVsbG8=", 7), frame(0x81, "1aGVsbG8=", 0), byte(1), byte(1))
	f.Fuzz(func(t *testing.T, client, server []byte, step, protocol byte) {
		name := []string{"v5.channel.k8s.io", "v4.base64.channel.k8s.io"}[protocol&1]
		samePieces(t, client, server, step, func() (Parser, *log) { return webSocketWith(t, name) })
	})
}

func FuzzSPDY(f *testing.F) {
	client, server := spdySession(f)
	f.Add(client, server, byte(7))
	f.Fuzz(func(t *testing.T, client, server []byte, step byte) {
		samePieces(t, client, server, step, func() (Parser, *log) {
			l := &log{}
			return spdyParser(l), l
		})
	})
}

func samePieces(t *testing.T, client, server []byte, step byte, open func() (Parser, *log)) {
	whole, all := open()
	parts, some := open()
	k := int(step) + 1
	wholeErr, partsErr := whole.FromClient(client), inPieces(client, k, parts.FromClient)
	if wholeErr == nil && partsErr == nil {
		wholeErr, partsErr = whole.ToClient(server), inPieces(server, k, parts.ToClient)
	}
	if (wholeErr == nil) != (partsErr == nil) { // the first of two faults may depend on the pieces
		t.Errorf("whole: %v, in pieces: %v", wholeErr, partsErr)
	}
	if wholeErr == nil && all.String() != some.String() {
		t.Errorf("whole: %q, in pieces: %q", all, some)
	}
	if wholeErr == nil && (whole.Rest() != parts.Rest() || (whole.Farewell("x") == nil) != (parts.Farewell("x") == nil)) {
		t.Error("pieces matter for the end")
	}
}
