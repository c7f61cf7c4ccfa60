package dial

import (
	"io"
	"net"
	"net/url"
	"testing"
	"time"
)

// TestLastWordsAreRead: the last bytes of a server that closes are read, although this
// end keeps writing.
func TestLastWordsAreRead(t *testing.T) {
	const info, refusal = "INFO {}\r\n", "-ERR 'Authorization Violation'\r\n"
	closed := make(chan struct{})
	server := raw(t, func(c net.Conn) {
		_, _ = io.WriteString(c, info)
		_, _ = io.ReadFull(c, make([]byte, 1))
		_, _ = io.WriteString(c, refusal)
		_ = c.Close() // with bytes unread: a reset
		close(closed)
	})
	d := &Dialer{Server: &url.URL{Scheme: "nats", Host: server}}
	conn, err := d.Dial("", "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "CONNECT {}\r\n"); err != nil {
		t.Fatal(err)
	}
	<-closed
	for range 3 {
		if n, err := io.WriteString(conn, "PING\r\n"); n != 6 || err != nil {
			t.Fatalf("a write behind the end: %d, %v", n, err)
		}
	}
	b := make([]byte, len(info)+len(refusal))
	if n, err := io.ReadFull(conn, b); err != nil || string(b) != info+refusal {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if _, err := conn.Read(b); !Ended(err) {
		t.Errorf("behind the end: %v", err)
	}
}
