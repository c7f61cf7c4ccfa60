package main

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// bridge answers with one status after the other, and bodies that match.
func bridge(t *testing.T, statuses ...int) (url, keys string) {
	t.Helper()
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer fl_first" {
			t.Errorf("the token is presented as %q", got)
		}
		status := statuses[min(asked, len(statuses)-1)]
		asked++
		w.WriteHeader(status)
		_, _ = w.Write([]byte(http.StatusText(status)))
	}))
	t.Cleanup(server.Close)
	keys = t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, content := range map[string]string{"tls/ca.crt": string(ca), "token": "fl_first\n"} {
		if err := write(filepath.Join(keys, name), content); err != nil {
			t.Fatal(err)
		}
	}
	return server.URL, keys
}

// TestKubeconfigWaits: nginx is up before the bridges are.
func TestKubeconfigWaits(t *testing.T) {
	url, keys := bridge(t, http.StatusBadGateway, http.StatusOK)
	var out bytes.Buffer
	if err := printKubeconfig(t.Context(), url, keys, &out); err != nil || out.String() != "OK" {
		t.Errorf("%q, %v; want the second answer", out.String(), err)
	}
}

// TestKubeconfigIsRefused: a final error is reported, and nothing is printed that could
// be taken for a kubeconfig.
func TestKubeconfigIsRefused(t *testing.T) {
	url, keys := bridge(t, http.StatusForbidden)
	var out bytes.Buffer
	if err := printKubeconfig(t.Context(), url, keys, &out); err == nil || !strings.Contains(err.Error(), "403") || out.Len() > 0 {
		t.Errorf("%q, %v; want an error with 403", out.String(), err)
	}
}
