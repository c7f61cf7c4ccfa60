package bridge

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// caller is a line of a tokens file in the making.
type caller struct {
	name, hash string
	clusters   []string
}

// writeTokens replaces the rig's tokens file.
func (r *rig) writeTokens(callers ...caller) {
	r.t.Helper()
	var b strings.Builder
	b.WriteString("tokens:\n")
	for _, c := range callers {
		entry, err := token.Entry(c.name, c.hash, c.clusters)
		if err != nil {
			r.t.Fatal(err)
		}
		b.WriteString(entry)
	}
	r.writeTokensText(b.String())
}

// writeTokensText replaces the file in one step: half a file would be another file.
func (r *rig) writeTokensText(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.tokensFile+".new", []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(r.tokensFile+".new", r.tokensFile); err != nil {
		r.t.Fatal(err)
	}
}

// running is a stream of a caller: what ends it for the client, and for the
// agent.
type running struct {
	name   string
	client <-chan error
}

// watch begins a watch, whose client sees nothing but its end.
func (r *rig) watch(c *http.Client, token, cluster string) running {
	r.t.Helper()
	req := r.request("GET", "/k8s/clusters/"+cluster+"/watch", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := c.Do(req)
	if err != nil || res.StatusCode != 200 {
		r.t.Fatalf("watch: %v, %v", res, err)
	}
	ended := make(chan error, 1)
	go func() {
		defer res.Body.Close()
		_, err := io.Copy(io.Discard, res.Body)
		ended <- err
	}()
	return running{"watch of " + cluster, ended}
}

// exec upgrades a connection, whose client sees nothing but its end.
func (r *rig) exec(token, cluster string) running {
	r.t.Helper()
	head := strings.NewReplacer("$TOKEN", token, "/prod/", "/"+cluster+"/").Replace(upgradeHead)
	_, br := r.raw(head)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 101 {
		r.t.Fatalf("exec: %v, %v", res, err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, br)
		ended <- err
	}()
	return running{"exec in " + cluster, ended}
}

// upload begins an upload that never ends by itself, and is not answered.
func (r *rig) upload(c *http.Client, token, cluster string) running {
	r.t.Helper()
	pr, pw := io.Pipe()
	req := r.request("POST", "/k8s/clusters/"+cluster+"/upload", pr)
	req.Header.Set("Authorization", "Bearer "+token)
	ended := make(chan error, 1)
	go func() {
		res, err := c.Do(req)
		_ = pw.Close()
		if err == nil {
			_ = res.Body.Close()
			err = errors.New(res.Header.Get(answer.Header))
		}
		ended <- err
	}()
	if _, err := io.WriteString(pw, "some"); err != nil {
		r.t.Fatal(err)
	}
	return running{"upload to " + cluster, ended}
}

// holder is an agent that answers nothing to its end by itself.
func holder(arrived chan<- struct{}) handler {
	return func(head *subjects.RequestHead, s *stream.Stream) {
		switch {
		case head.Header.Get("Upgrade") != "":
			_, _ = s.Write(switchTo("SPDY/3.1"))
		case strings.HasPrefix(head.Target, "/watch"):
			_, _ = s.Write(encodeHead(200, -1))
		case strings.HasPrefix(head.Target, "/stall"):
			b := append(encodeHead(200, -1), make([]byte, 64<<10)...)
			for {
				if _, err := s.Write(b); err != nil {
					return
				}
			}
		}
		arrived <- struct{}{}
		<-s.Context().Done()
	}
}
