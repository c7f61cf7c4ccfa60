package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// origin is an HTTP server behind the API server's pod proxy. Its answers pass
// through a real API server, and the tests decide what they are.
type origin struct {
	path     string       // of the API, ends in "/proxy"
	received atomic.Int64 // bytes of bodies
	open     atomic.Int64 // requests being served
}

// newOrigin starts the server on the node's address, behind a pod on the
// node's network: an API server proxies to addresses of pods only.
func (sp *space) newOrigin() *origin {
	sp.t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(sp.kube.NodeIP, "0"))
	if err != nil {
		sp.t.Fatalf("origin: %v", err)
	}
	o := &origin{path: sp.path(fmt.Sprintf("/pods/http:origin:%d/proxy", l.Addr().(*net.TCPAddr).Port))}
	server := &http.Server{Handler: http.HandlerFunc(o.serve)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	sp.t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	grace := int64(0)
	sp.runPod(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "origin"},
		Spec: corev1.PodSpec{HostNetwork: true, TerminationGracePeriodSeconds: &grace, Containers: []corev1.Container{{
			Name: "main", Image: sp.kube.Images["busybox"], ImagePullPolicy: corev1.PullNever, Command: []string{"sh", "-c", idle},
		}}},
	})
	return o
}

// serve does what the path says:
//
//	/bytes/SEED/N    sends N bytes of a source
//	/digest          reads the body, answers with its digest
//	/early           answers 413 without reading the body
//	/upgrade/STATUS  answers an upgrade with that status; 101 echoes
//	/cut/N           announces more than the N bytes that it sends, then cuts
//	/trailer         sends a trailer
//	/status/STATUS   just answers
func (o *origin) serve(w http.ResponseWriter, r *http.Request) {
	o.open.Add(1)
	defer o.open.Add(-1)
	what := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	number := func(i int) int64 {
		if i >= len(what) {
			return 0
		}
		n, _ := strconv.ParseInt(what[i], 10, 64)
		return n
	}
	switch what[0] {
	case "bytes":
		w.Header().Set("Content-Length", strconv.FormatInt(number(2), 10))
		_, _ = io.Copy(w, source(uint64(number(1)), number(2)))
	case "digest":
		sum, n, err := digest(io.TeeReader(r.Body, counter{&o.received}))
		_ = json.NewEncoder(w).Encode(uploaded{Digest: sum, Bytes: n, Whole: err == nil})
	case "early":
		http.Error(w, "too large, said early", http.StatusRequestEntityTooLarge)
	case "upgrade":
		o.upgrade(w, int(number(1)))
	case "cut":
		w.Header().Set("Content-Length", strconv.FormatInt(number(1)+1, 10))
		_, _ = io.Copy(w, source(1, number(1)))
		panic(http.ErrAbortHandler)
	case "trailer":
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
	case "status":
		w.WriteHeader(int(number(1)))
	default:
		http.NotFound(w, r)
	}
}

// uploaded is the origin's report of a body that it has read.
type uploaded struct {
	Digest string
	Bytes  int64
	Whole  bool
}

func (o *origin) upgrade(w http.ResponseWriter, status int) {
	if status != http.StatusSwitchingProtocols {
		http.Error(w, "no upgrade here", status)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_ = rw.Flush()
	_, _ = io.Copy(conn, rw) // until the other end says that it is done
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) { c.n.Add(int64(len(p))); return len(p), nil }

// rawConn is a TLS connection on which a test writes HTTP by hand.
type rawConn struct {
	*tls.Conn
	r *bufio.Reader
}

// dialRaw connects to a side's server. The time bounds everything that is done
// on the connection.
func (sp *space) dialRaw(s side, within time.Duration) *rawConn {
	sp.t.Helper()
	config, host := rawTarget(sp.t, s)
	conn, err := tls.Dial("tcp", host, config)
	if err != nil {
		sp.t.Fatalf("connect to %s: %v", s.name, err)
	}
	sp.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		sp.t.Fatal(err)
	}
	return &rawConn{conn, bufio.NewReader(conn)}
}
