package bridge

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// silentLog is answered by an API server once there is a first line: it sends no head
// before.
const silentLog = "/api/v1/namespaces/x/pods/y/log?follow=true"

// TestWhatRunsEndsWithItsIDToken: every kind of answer that lasts ends when the ID token
// expires, and says so.
func TestWhatRunsEndsWithItsIDToken(t *testing.T) {
	t.Parallel()
	i := issuer.ForTest(t)
	section := strings.Replace(i.Section("ci"), "groups: claims.groups}", "groups: claims.groups, clockSkew: 0s}", 1)
	file := newAccessFile(t, section+"grants:\n- {name: all, clusters: ['*'], when: ['caller.issuer == \"ci\"'], as: {agent: true}}\n")
	r := newRig(t, rigOptions{config: func(c *Config) {
		file.configure(c)
		c.Events = events.NewMemory()
	}})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(append(encodeHead(200, -1, "Content-Type", "application/json"), encodeEvent(t, runtime.ContentTypeJSON)...))
		_ = s.Flush()
		<-s.Context().Done()
	})
	r.agent("default", "silent", func(_ *subjects.RequestHead, s *stream.Stream) { <-s.Context().Done() })
	end := time.Now().Truncate(time.Second).Add(6 * time.Second) // by when all have begun
	token, err := i.Mint(map[string]any{"sub": "job", "aud": issuer.Audience, "groups": []string{}, "exp": end.Unix()})
	if err != nil {
		t.Fatal(err)
	}
	type ended struct {
		name, body string
		late       time.Duration
	}
	all := make(chan ended, 20)
	n := 0
	begin := func(name string, c *http.Client, method, path, body string) {
		t.Helper()
		req := r.request(method, path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		n++
		go func() {
			res, err := c.Do(req)
			if err != nil {
				all <- ended{name, err.Error(), 0}
				return
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			all <- ended{name, res.Status + " " + string(b), time.Since(end)}
		}()
	}
	for _, c := range []*http.Client{r.h1, r.h2} {
		begin("watch", c, "GET", "/k8s/clusters/prod/api/v1/pods?watch=1", "")
		begin("log of a silent container", c, "GET", "/k8s/clusters/silent"+silentLog, "")
		begin("streamed call for it", c, "POST", "/v1/clusters/silent/requests", `{"stream":true,"path":"`+silentLog+`"}`)
		begin("streamed call", c, "POST", "/v1/clusters/prod/requests", watchCall)
		begin("fleet call", c, "POST", "/v1/requests", `{"clusters": ["prod", "silent"], "path": "/api/v1/pods"}`)
		begin("merged watch", c, "GET", "/v1/watch?clusters=prod,silent,away&path=/api/v1/pods", "")
		begin("selected watch", c, "GET", "/v1/watch?selector=&path=/api/v1/pods", "")
		begin("events", c, "GET", "/v1/events", "")
	}
	for range n {
		e := within(t, "an answer ends", 30*time.Second, all)
		if !strings.Contains(e.body, "the credential has expired") || e.late < 0 || e.late > 5*time.Second {
			t.Errorf("%s ended %v after the token: %.300s", e.name, e.late, e.body)
		}
		t.Logf("%s: %v after the token", e.name, e.late)
	}
}
