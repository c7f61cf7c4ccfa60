package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

const sharedAccess = `approvals: {shared: true}
audit:
  jetStream: {shared: true, maxSizeMiB: 16}
  required: true
recording: {shared: true, maxTotal: 16MiB}
grants:
- name: admin
  clusters: [prod.acme]
  callers: anyone
  requires: approval
  as: {agent: true}
`

// A bridge with a broker of its own keeps approvals and audit in that broker's store, by
// what init wrote, and finds them again after a restart.
func TestSharedStoreFromWhatInitWrote(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	layout, err := keys.Init(keys.InitOptions{Dir: dir, Tenant: "acme", Cluster: "prod", Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	accessFile := filepath.Join(dir, "access.yaml")
	if err := os.WriteFile(accessFile, []byte(sharedAccess), 0o600); err != nil {
		t.Fatal(err)
	}
	hooks := filepath.Join(dir, "webhooks.yaml")
	for file, text := range map[string]string{
		hooks:                             "webhooks:\n- {name: chat, url: 'http://127.0.0.1:1/', allowHTTP: true, secretFiles: [chat.secret], types: [version.skew]}\n",
		filepath.Join(dir, "chat.secret"): "whsec_" + strings.Repeat("MDEy", 12),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	call := client(t, layout)
	var asked api.AccessRequest
	var end [2]string
	for round := range 2 {
		listen, ops := freeport.AddressFor(t), freeport.AddressFor(t)
		exit := make(chan string, 1)
		go func() {
			code, _, stderr := run("run", "--config", filepath.Join(dir, "bridge.yaml"), "--listen", listen, "--ops-listen", ops, "--access", accessFile,
				"--broker-listen", "127.0.0.1:0", "--broker-websocket-listen", "off", "--drain-timeout", "5s", "--webhooks", hooks)
			alarms := ""
			for line := range strings.Lines(stderr) {
				if code != daemon.ExitOK || strings.Contains(line, `"WARN"`) && strings.Contains(line, "shared store") || strings.Count(line, `"part"`) > 1 {
					alarms += line
				}
			}
			exit <- alarms
		}()
		waitReady(t, ops, exit)
		path, method, body, want := "/v1/access-requests", "POST", `{"cluster":"prod.acme","grant":"admin","reason":"INC-42"}`, http.StatusCreated
		if round == 1 {
			path, method, body, want = path+"/"+asked.ID, "GET", "", http.StatusOK
		}
		eventually.Nil(t, "an answer to "+path, func() error {
			code, answer := call(method, "https://"+listen+path, body)
			if code == http.StatusServiceUnavailable {
				return errors.New(answer)
			}
			got := api.AccessRequest{}
			if err := json.Unmarshal([]byte(answer), &got); code != want || err != nil || round == 1 && got != asked {
				t.Fatalf("round %d: %d %s, %v", round, code, answer, err)
			}
			asked = got
			return nil
		})
		eventually.Nil(t, "events", func() error {
			code, answer := call("GET", "https://"+listen+"/v1/events?follow=false", "")
			var list api.EventList
			if code != http.StatusOK || json.Unmarshal([]byte(answer), &list) != nil {
				return errors.New(answer)
			}
			end[round], _, _ = strings.Cut(list.Next, "-") // which log it is
			return nil
		})
		eventually.Nil(t, "settings that are kept", func() error {
			method, want := "PUT", http.StatusCreated
			if round == 1 {
				method, want = "GET", http.StatusOK
			}
			code, answer := call(method, "https://"+listen+"/v1/clusters/prod.acme/settings", map[string]string{"PUT": `{"labels":{"env":"prod"}}`}[method])
			if code != want || !strings.Contains(answer, `"env":"prod"`) {
				return errors.New(answer)
			}
			return nil
		})
		// It has an audit event, or it would not have come so far.
		if code, answer := call("GET", "https://"+listen+"/k8s/clusters/prod.acme/api", ""); code != 503 || !strings.Contains(answer, "has not connected") {
			t.Errorf("got %d %s", code, answer)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case stderr := <-exit:
			if stderr != "" {
				t.Fatalf("SIGTERM: %s", stderr)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("did not stop within 30 s")
		}
	}
	if end[0] == "" || end[0] != end[1] {
		t.Errorf("the logs of events are %q", end)
	}
}

// client returns what makes a request with the token that init made.
func client(t *testing.T, layout *keys.Layout) func(method, url, body string) (int, string) {
	t.Helper()
	ca, err := os.ReadFile(layout.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(layout.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	return func(method, url, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
}
