package natsrun

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(port int) *server.Options {
	return &server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true}
}

// TestStartAgain: a server is where it was.
func TestStartAgain(t *testing.T) {
	o := options(freeport.For(t))
	var urls [2]string
	for i := range urls {
		s := Start(t, o)
		urls[i] = s.ClientURL()
		nc, err := nats.Connect(urls[i])
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
		Stop(s)
	}
	if urls[0] != urls[1] {
		t.Errorf("at %s, then at %s", urls[0], urls[1])
	}
}

// TestTakenPort: the reason is said, and not after the bound.
func TestTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	s, err := start(options(l.Addr().(*net.TCPAddr).Port))
	if err == nil {
		Stop(s)
		t.Fatal("started on a port that is taken")
	}
	if took := time.Since(began); !strings.Contains(err.Error(), "address already in use") || took > Within/2 {
		t.Errorf("after %v: %v", took, err)
	}
}
