package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// gib is the size of a large stream in bytes.
const gib = 1 << 30

// TestBulkHTTP carries 1 GiB each way as the body of an HTTP exchange.
func TestBulkHTTP(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	o := sp.newOrigin()
	if err := sp.download(sp.fast, o, 1, gib); err != nil {
		t.Error(err)
	}
	if err := sp.upload(sp.fast, o, 2, gib); err != nil {
		t.Error(err)
	}
}

// download reads n bytes from the origin and compares their digest.
func (sp *space) download(s side, o *origin, seed uint64, n int64) error {
	return sp.downloadTo(s, o, seed, n, io.Discard)
}

// downloadTo is download that also copies the bytes to w as they arrive.
func (sp *space) downloadTo(s side, o *origin, seed uint64, n int64, w io.Writer) error {
	began := time.Now()
	req, err := http.NewRequestWithContext(sp.t.Context(), http.MethodGet, fmt.Sprintf("%s%s/bytes/%d/%d", s.server, o.path, seed, n), nil)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	defer resp.Body.Close()
	sum, got, err := digest(io.TeeReader(resp.Body, w))
	if err != nil {
		return fmt.Errorf("download: broke after %d bytes: %w", got, err)
	}
	if want := sourceDigest(seed, n); sum != want || resp.ContentLength != n {
		return fmt.Errorf("download: %s, %d bytes with digest %s, want %d with %s", resp.Status, got, sum, n, want)
	}
	sp.logRate("download", n, began)
	return nil
}

// upload sends n bytes to the origin, which answers with their digest.
func (sp *space) upload(s side, o *origin, seed uint64, n int64) error {
	began := time.Now()
	req, err := http.NewRequestWithContext(sp.t.Context(), http.MethodPost, s.server+o.path+"/digest", source(seed, n))
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer resp.Body.Close()
	var got uploaded
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return fmt.Errorf("upload: %s: %w", resp.Status, err)
	}
	if want := (uploaded{Digest: sourceDigest(seed, n), Bytes: n, Whole: true}); got != want {
		return fmt.Errorf("upload: the origin got %+v, want %+v", got, want)
	}
	sp.logRate("upload", n, began)
	return nil
}

func (sp *space) logRate(what string, n int64, began time.Time) {
	d := time.Since(began)
	sp.t.Logf("%s: %d MiB in %s, %.0f MiB/s", what, n>>20, d.Round(10*time.Millisecond), float64(n>>20)/d.Seconds())
}

// TestBulkExec carries 1 GiB each way through kubectl exec.
func TestBulkExec(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.pod("box", `head -c 1073741824 /dev/urandom >/tmp/big && sha256sum /tmp/big | cut -d" " -f1 >/tmp/sum; `+idle, "test -s /tmp/sum")
	want := strings.TrimSpace(sp.must(sp.on(sp.direct, "exec", "box", "--", "cat", "/tmp/sum")))
	sp.overEach(func(sp *space, p protocol) {
		began := time.Now()
		sum, err := sp.fromContainer(sp.on(sp.fast, "exec", "-i", "box", "--", "sh", "-c", "cat /tmp/big; read over; true").with(p.env...))
		if err != nil || sum != want {
			sp.t.Errorf("from the container: digest %s (%v), want %s", sum, err, want)
		}
		sp.logRate("from the container", gib, began)

		began = time.Now()
		got := sp.must(sp.on(sp.fast, "exec", "-i", "box", "--", "sha256sum").with(p.env...).input(source(6, gib)))
		if !strings.HasPrefix(got, sourceDigest(6, gib)) {
			sp.t.Errorf("sha256sum in the container: %s, want %s", got, sourceDigest(6, gib))
		}
		sp.logRate("into the container", gib, began)
	})
}

// fromContainer reads 1 GiB from a call's stdout, then closes its stdin, which
// lets the command end. The command must not end earlier: an API server whose
// client has just sent a SPDY ping drops buffered output when a command ends,
// with or without a tunnel in between.
func (sp *space) fromContainer(c call) (sum string, err error) {
	sp.t.Helper()
	r := sp.prepare(c)
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	in, err := r.cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	r.cmd.Stderr = r.stderr
	if err := r.cmd.Start(); err != nil {
		return "", err
	}
	defer r.kill()
	h := sha256.New()
	n, err := io.CopyN(h, out, gib)
	if err != nil {
		return "", fmt.Errorf("after %d bytes: %w: %s", n, err, r.stderr)
	}
	if err := in.Close(); err != nil {
		return "", err
	}
	if more, err := io.Copy(h, out); err != nil || more != 0 {
		return "", fmt.Errorf("%d bytes more: %w", more, err)
	}
	return hex.EncodeToString(h.Sum(nil)), r.cmd.Wait()
}

// TestBulkPortForward echoes a large stream through a forwarded port. The stream
// is smaller than in other tests, since kubectl itself forwards slowly.
func TestBulkPortForward(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	const size = gib / 4
	sp.pod("echo", `exec nc -ll -p 9000 -e cat`, "")
	sp.overEach(func(sp *space, p protocol) {
		began := time.Now()
		address := sp.start(sp.on(sp.fast, "port-forward", "pod/echo", ":9000").with(p.env...)).listening()
		got, n, err := echoOf(address, source(7, size), size)
		if err != nil || n != size || got != sourceDigest(7, size) {
			sp.t.Errorf("the echo has %d bytes with digest %s (%v), want %d with %s", n, got, err, size, sourceDigest(7, size))
		}
		sp.logRate("there and back", n, began)
	})
}
