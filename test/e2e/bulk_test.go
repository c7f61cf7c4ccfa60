package e2e

import (
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
	if err := sp.download(sp.tunnel, o, 1, gib); err != nil {
		t.Error(err)
	}
	if err := sp.upload(sp.tunnel, o, 2, gib); err != nil {
		t.Error(err)
	}
}

// download reads n bytes from the origin and compares their digest.
func (sp *space) download(s side, o *origin, seed uint64, n int64) error {
	return sp.downloadTo(s, o, seed, n, io.Discard)
}

// downloadTo also gives what arrives to w, as it arrives.
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
		r := sp.prepare(sp.on(sp.tunnel, "exec", "box", "--", "cat", "/tmp/big").with(p.env...))
		out, err := r.cmd.StdoutPipe()
		if err != nil {
			sp.t.Fatal(err)
		}
		r.cmd.Stderr = r.stderr
		if err := r.cmd.Start(); err != nil {
			sp.t.Fatal(err)
		}
		defer r.kill()
		sum, n, err := digest(out)
		if werr := r.cmd.Wait(); err != nil || werr != nil {
			sp.t.Fatalf("cat: %v, %v: %s", err, werr, r.stderr)
		}
		if n != gib || sum != want {
			sp.t.Errorf("cat: %d bytes with digest %s, want %d with %s", n, sum, gib, want)
		}
		sp.logRate("from the container", n, began)

		began = time.Now()
		got := sp.must(sp.on(sp.tunnel, "exec", "-i", "box", "--", "sha256sum").with(p.env...).input(source(6, gib)))
		if !strings.HasPrefix(got, sourceDigest(6, gib)) {
			sp.t.Errorf("sha256sum in the container: %s, want %s", got, sourceDigest(6, gib))
		}
		sp.logRate("into the container", gib, began)
	})
}

// TestBulkPortForward carries 1 GiB each way through one forwarded port.
func TestBulkPortForward(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.pod("echo", `exec nc -ll -p 9000 -e cat`, "")
	sp.overEach(func(sp *space, p protocol) {
		began := time.Now()
		address := sp.start(sp.on(sp.tunnel, "port-forward", "pod/echo", ":9000").with(p.env...)).listening()
		got, n, err := echo(address, source(7, gib))
		if err != nil || n != gib || got != sourceDigest(7, gib) {
			sp.t.Errorf("the echo has %d bytes with digest %s (%v), want %d with %s", n, got, err, gib, sourceDigest(7, gib))
		}
		sp.logRate("there and back", n, began)
	})
}
