package bridge

import (
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/access/approval/bucket"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

// sharing is one of several bridges with a store.
func sharing(t *testing.T, b *storetest.Brokers) *jitRig {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	r := newJITRigWith(t, "{shared: true}", policy.Shared{Approvals: func() approval.Store { return bucket.New(s, log) }})
	r.eventually("the approvals are known", func() bool {
		res, _ := r.as("lead", "leads", "GET", "/v1/access-requests", "")
		return res.StatusCode == http.StatusOK
	})
	return r
}

// Access that was approved at one bridge counts at another, and what runs there ends when
// it is ended. Without the store the answer is a 503 that says so.
func TestApprovalsAreShared(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	one, two := sharing(t, b), sharing(t, b)
	arrived := make(chan struct{}, 10)
	one.agent("default", "prod", holder(arrived))
	const target, requests = "/k8s/clusters/prod/watch", "/v1/access-requests"
	res, body := one.as("dev", "devs", "POST", requests, `{"cluster":"prod","grant":"admin","reason":"INC-42"}`)
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	of := requests + "/" + decode[api.AccessRequest](t, body).ID
	two.eventually("the other bridge knows of the request", func() bool {
		res, _ := two.as("lead", "leads", "GET", of, "")
		return res.StatusCode == http.StatusOK && res.Header.Get("Age") == ""
	})
	if res, body = two.as("lead", "leads", "POST", of+"/approve", ""); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	one.eventually("the first bridge knows of the approval", func() bool {
		_, body := one.as("dev", "devs", "GET", of, "")
		return decode[api.AccessRequest](t, body).State == "approved"
	})
	ended := make(chan time.Time, 1)
	token, err := one.issuer.Mint(map[string]any{"sub": "dev", "aud": "fairlead", "groups": []string{"devs"}})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		req := one.request("GET", target, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		if res, err := one.h1.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		ended <- time.Now()
	}()
	select {
	case <-arrived:
	case <-ended:
		t.Fatal("the watch has ended")
	}
	told := time.Now()
	if res, body = two.as("lead", "leads", "POST", of+"/end", ""); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	select {
	case at := <-ended:
		t.Logf("the watch at the other bridge ended after %v", at.Sub(told))
	case <-time.After(10 * time.Second):
		t.Fatal("the watch goes on at the other bridge")
	}
	res, body = one.as("dev", "devs", "GET", target, "")
	wantFailure(t, res, body, answer.ApprovalRequired)

	b.Kill(0)
	one.eventually("the loss is noticed", func() bool {
		res, body = one.as("dev", "devs", "POST", requests, `{"cluster":"prod","grant":"admin","reason":"INC-43"}`)
		return res.StatusCode != http.StatusCreated
	})
	wantFailure(t, res, body, answer.ApprovalsUnavailable)
	if !strings.Contains(body, "shared store is not available") {
		t.Errorf("it says %s", body)
	}
	one.eventually("answers from memory say how old they may be", func() bool {
		list, _ := one.as("dev", "devs", "GET", requests, "")
		single, _ := one.as("dev", "devs", "GET", of, "")
		for _, res := range []*http.Response{list, single} {
			if age, err := strconv.Atoi(res.Header.Get("Age")); res.StatusCode != http.StatusOK || err != nil || age < 1 || age > 60 {
				return false
			}
		}
		return true
	})
}
