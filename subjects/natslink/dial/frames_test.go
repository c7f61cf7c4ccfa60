package dial

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/coder/websocket"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// serverFrame is a frame as a server writes it, with the shortest length or a longer.
func serverFrame(first byte, payload string) string {
	switch n := len(payload); {
	case n <= maxControl:
		return string([]byte{first, byte(n)}) + payload
	case n <= 0xffff:
		return string([]byte{first, 126, byte(n >> 8), byte(n)}) + payload
	default:
		return string([]byte{first, 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + payload
	}
}

// TestStrip: the payload of messages comes out however the stream is cut into reads.
func TestStrip(t *testing.T) {
	long, longer := strings.Repeat("a", 300), strings.Repeat("b", 70000)
	stream := serverFrame(0x82, "one") + serverFrame(0x82, "") + serverFrame(0x89, "ping") + serverFrame(0x02, "frag") +
		serverFrame(0x8a, "") + serverFrame(0x00, long) + serverFrame(0x89, "") + serverFrame(0x80, "ment") + serverFrame(0x82, longer) +
		serverFrame(0x88, "\x03\xe8") + serverFrame(0x82, "after the end")
	want := "onefrag" + long + "ment" + longer
	for _, size := range []int{1, 2, 3, 7, 64, 4096, len(stream)} {
		var r frameReader
		var got, pings []byte
		for in := []byte(stream); len(in) > 0; {
			part := bytes.Clone(in[:min(size, len(in))])
			in = in[len(part):]
			got = append(got, part[:r.strip(part, func(b []byte) { pings = append(append(pings, b...), ';') })]...)
		}
		if string(got) != want || string(pings) != "ping;;" || r.end != io.EOF {
			t.Errorf("reads of %d bytes: %d bytes of payload, pings %q, end %v", size, len(got), pings, r.end)
		}
	}
}

// TestMalformedFrames: what no server may send ends the connection.
func TestMalformedFrames(t *testing.T) {
	for in, want := range map[string]cause.ID{
		serverFrame(0xc2, "x"):                      cause.ProtocolMismatch,
		serverFrame(0x83, "x"):                      cause.ProtocolMismatch,
		serverFrame(0x80, "x"):                      cause.ProtocolMismatch,
		serverFrame(0x02, "x") + "\x82\x00":         cause.ProtocolMismatch,
		serverFrame(0x89, strings.Repeat("x", 126)): cause.ProtocolMismatch,
		serverFrame(0x09, "x"):                      cause.ProtocolMismatch,
		"\x82\x81abcd":                              cause.ProtocolMismatch,
		"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff":  cause.ProtocolMismatch,
		serverFrame(0x81, "x"):                      cause.NotNATS,
	} {
		var r frameReader
		b := []byte(in)
		r.strip(b, func([]byte) {})
		if f := cause.Of(r.end); f == nil || f.Cause != want {
			t.Errorf("%x: got %v, want %s", in, r.end, want)
		}
	}
}

// TestFramesAgainstLibrary: a WebSocket server of another make gets every byte, and
// the other way round, with pings, at the sizes where a frame's header changes.
func TestFramesAgainstLibrary(t *testing.T) {
	var wg sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		c.SetReadLimit(-1)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		wg.Go(func() {
			for c.Ping(ctx) == nil {
			}
		})
		echo := websocket.NetConn(ctx, c, websocket.MessageBinary)
		_, _ = io.Copy(echo, iotest.OneByteReader(io.LimitReader(echo, 5))) // many small messages
		_, _ = io.Copy(echo, echo)
		_ = c.CloseNow()
	}))
	defer func() { s.Close(); wg.Wait() }()
	c := webSocketTo(t, strings.TrimPrefix(s.URL, "http://"))
	var sent bytes.Buffer
	for _, n := range []int{5, 125, 126, 0xffff, 0x10000, maxFrame - maxHeader, maxFrame - maxHeader + 1, 1 << 20} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		sent.Write(b)
	}
	want := bytes.Clone(sent.Bytes())
	wg.Go(func() {
		if n, err := c.Write(sent.Bytes()); err != nil || n != len(want) {
			t.Errorf("wrote %d, %v", n, err)
		}
	})
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) || !bytes.Equal(sent.Bytes(), want) {
		t.Errorf("read %d bytes, %v; the same: %t; the writer's unchanged: %t", n, err, bytes.Equal(got, want), bytes.Equal(sent.Bytes(), want))
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// webSocketTo is a WebSocket that ends with the test.
func webSocketTo(t *testing.T, address string) net.Conn {
	t.Helper()
	u := mustParse(t, "ws://"+address)
	d := &Dialer{Server: u, deadline: time.Now().Add(10 * time.Second)}
	conn, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	if conn, err = d.upgrade(conn); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestFullSocketDoesNotHoldUpClose: the goodbye is left out for a server that reads
// nothing, whether or not a write waits for it.
func TestFullSocketDoesNotHoldUpClose(t *testing.T) {
	hold := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		<-hold
		_ = c.CloseNow()
	}))
	defer s.Close()
	defer close(hold)
	for _, during := range []bool{true, false} {
		c := webSocketTo(t, strings.TrimPrefix(s.URL, "http://"))
		if !during {
			_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		}
		written := make(chan error, 1)
		go func() { _, err := c.Write(make([]byte, 64<<20)); written <- err }()
		if !during {
			if err := <-written; err == nil {
				t.Fatal("64 MiB fit into the socket")
			}
		}
		began := time.Now()
		_ = c.Close()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("Close took %v", took)
		}
		if during {
			<-written
		}
	}
}

// TestPingFloodDoesNotHang: a server that pings without end and reads no answer cannot
// keep an attempt longer than its time.
func TestPingFloodDoesNotHang(t *testing.T) {
	done := make(chan struct{})
	flood := raw(t, func(c net.Conn) {
		defer close(done)
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		sum := sha1.Sum([]byte(req.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		_, _ = io.WriteString(c, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "+
			base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
		pings := []byte(strings.Repeat(serverFrame(0x89, strings.Repeat("x", maxControl)), 100))
		for {
			if _, err := c.Write(pings); err != nil {
				return
			}
		}
	})
	d := &Dialer{Server: mustParse(t, "ws://"+flood+"/"), Timeout: 2 * time.Second}
	ended := make(chan error, 1)
	go func() { _, err := d.Dial("", ""); ended <- err }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("connected")
		}
	case <-time.After(20 * time.Second):
		t.Error("the attempt hangs")
		d.Abort()
		<-ended
	}
	<-done
}

// FuzzFrames: whatever a server sends, and however it is cut into reads, the same payload
// comes out, at most one answer to pings waits, and nothing is kept but a control frame.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{
		serverFrame(0x82, "one") + serverFrame(0x89, "ping") + serverFrame(0x02, "frag") + serverFrame(0x80, "ment") + serverFrame(0x88, ""),
		"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01x", "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffx", "\x82\x7e\x00\x00\x89\x00", "\x89\x7e\x00\x01x", "\xf2\x00", "\x82\x81abcdx",
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		read := func(r io.Reader) (payload, sent []byte, end error) {
			var wire bytes.Buffer
			c := &webSocketConn{stream: struct {
				io.Reader
				io.Writer
				io.Closer
			}{r, &wire, io.NopCloser(nil)}}
			b := make([]byte, int(size)+1)
			for {
				n, err := c.Read(b)
				payload = append(payload, b[:n]...)
				if len(payload) > len(in) || cap(c.in.control) > 512 {
					t.Fatalf("%d bytes of %d, %d kept", len(payload), len(in), cap(c.in.control))
				}
				if err != nil {
					return payload, wire.Bytes(), err
				}
			}
		}
		whole, pongs, end := read(bytes.NewReader(in))
		bytewise, again, same := read(iotest.OneByteReader(bytes.NewReader(in)))
		if !bytes.Equal(whole, bytewise) || len(pongs) != len(again) || end.Error() != same.Error() {
			t.Errorf("%q, %d bytes of pongs, %v; byte by byte %q, %d, %v", whole, len(pongs), end, bytewise, len(again), same)
		}
	})
}
