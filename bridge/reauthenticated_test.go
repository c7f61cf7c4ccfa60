package bridge

import (
	"bufio"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// A watch that another version of the access file still allows goes on, whatever else
// the file says: its caller is authenticated again by what it sent.
func TestWatchOutlivesAReload(t *testing.T) {
	t.Parallel()
	i := issuer.ForTest(t)
	content := func(more string) string {
		return i.Section("ci") + "grants:\n- {name: all, clusters: [prod], when: [caller.name == \"job\"], as: {agent: true}}\n" + more
	}
	file := newAccessFile(t, content(""))
	events, got := make(chan string, 3), make(chan string)
	end := sync.OnceFunc(func() { close(events) })
	defer end()
	r := newRig(t, rigOptions{config: file.configure})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(encodeHead(200, -1))
		for e := range events {
			if _, err := s.Write([]byte(e + "\n")); err != nil {
				return
			}
		}
		_ = s.CloseWrite()
	})
	req := r.request("GET", "/k8s/clusters/prod/api/v1/pods?watch=1", nil)
	req.Header.Set("Authorization", "Bearer "+i.Token(t, "job"))
	resp, err := r.h1.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	go func() {
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			got <- lines.Text()
		}
		close(got)
	}()
	for n := range 3 { // each reload takes long enough for what the one before it ends
		before := file.policy.Rules()
		file.write(content(fmt.Sprintf("- {name: other%d, clusters: [dev], when: [caller.name == \"other\"], as: {agent: true}}\n", n)))
		r.eventually("the file is read", func() bool { return file.policy.Rules() != before })
		events <- fmt.Sprint("event ", n)
		if e := within(t, "the event arrives", 5*time.Second, got); e != fmt.Sprint("event ", n) {
			t.Fatalf("after reload %d: %q", n, e)
		}
	}
	end()
	if e, ok := <-got; ok {
		t.Errorf("at the end: %q", e)
	}
}
