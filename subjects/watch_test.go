package subjects

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestIsWatch(t *testing.T) {
	for target, want := range map[string]bool{
		"/api/v1/pods?watch=true": true, "/api/v1/pods?limit=1&watch=1": true, "/api/v1/pods?allowWatchBookmarks=true&watch=true&x": true,
		"/api/v1/pods": false, "/api/v1/pods?watch=false": false, "/api/v1/pods?watch=0": false, "/watch=true": false,
		"/api/v1/pods?allowwatch=true": false, "/x/log?follow=true": false, "/x?watch=%zz": false,
		// As other clients write it.
		"/api/v1/pods?watch=True": true, "/api/v1/pods?watch=TRUE": true, "/api/v1/pods?watch=yes": true, "/api/v1/pods?watch=t": true,
		"/api/v1/pods?watch": true, "/api/v1/pods?watch=": true, "/api/v1/pods?watch=&watch=0": true, "/api/v1/pods?watch=00": true,
		"/api/v1/pods?w%61tch=true": true, "/api/v1/pods?watch=%30": false, "/api/v1/pods?watch=f%61lse": false,
		"/api/v1/pods?watch=False": false, "/api/v1/pods?watch=FALSE": false, "/api/v1/pods?watch=0&watch=1": false,
		"/api/v1/pods?Watch=true": false, "/api/v1/pods?watch%20=1": false, "/api/v1/pods?+watch=1": false, "/api/v1/pods?": false,
		// Parameters that cannot be parsed are skipped; later ones count.
		"/api/v1/pods?watch=%zz&watch=1": true, "/api/v1/pods?a=%zz&watch=1": true, "/api/v1/pods?watch=1;a=2": false, "/api/v1/pods?a;b&watch": true,
		// Paths.
		"/api/v1/watch/namespaces": true, "/apis/apps/v1/watch/namespaces/x/deployments/y": true, "/api/v1/watch/pods?watch=false": true,
		"/api/v1/watch": false, "/api/watch/x": false, "/apis/watch/v1/pods": false, "/apis/apps/watch/x": false, "/x/watch/y": false,
		"/api/v1/namespaces/watch/pods": false, "/api/v1/namespaces/watch/pods?watch=1": true, "/api/v1/namespaces/proxy/services?watch=1": true,
		// An application's own business.
		"/api/v1/namespaces/x/services/http:web:80/proxy/a/b?watch=true": false, "/api/v1/namespaces/x/pods/y/proxy?watch=true": false,
		"/api/v1/nodes/n/proxy/metrics?watch=1": false, "/api/v1/namespaces/x/configmaps/proxy?watch=1": true,
		"/apis/a/v1/namespaces/x/services/y/proxy?watch=1": true,
	} {
		if got := IsWatch("GET", target); got != want {
			t.Errorf("IsWatch(%s) = %v", target, got)
		}
	}
	for _, method := range []string{"POST", "DELETE", "HEAD", "get"} {
		if IsWatch(method, "/x?watch=true") || IsWatch(method, "/api/v1/watch/pods") {
			t.Errorf("a %s is a watch", method)
		}
	}
}

func TestIsLong(t *testing.T) {
	for request, want := range map[string]bool{
		"GET /api/v1/pods?watch=True": true, "GET /api/v1/watch/pods": true, "GET /api/v1/pods": false, "GET /api/v1/pods?watch=0": false,
		"GET /api/v1/namespaces/x/pods/y/log?follow=true": true, "GET /api/v1/namespaces/x/pods/y/log?follow": true,
		"GET /api/v1/namespaces/x/pods/y/log?follow=False&tailLines=1": false, "GET /api/v1/namespaces/x/pods/y/log": false,
		"POST /api/v1/namespaces/x/pods?watch=true": false, "DELETE /api/v1/watch/pods": false, "POST /x?follow=true": false,
		"GET /api/v1/namespaces/x/pods/y/exec?command=sh": true, "POST /api/v1/namespaces/x/pods/y/exec?command=sh": true,
		"POST /api/v1/namespaces/x/pods/y/attach": true, "GET /api/v1/namespaces/x/pods/y/portforward?ports=1": true,
		"PUT /api/v1/namespaces/x/pods/y/exec": false, "POST /api/v1/namespaces/x/pods/exec": false, "GET /api/v1/namespaces/x/configmaps/exec": false,
		"GET /api/v1/namespaces/x/services/y/exec": false, "GET /api/v1/namespaces/exec": false, "GET /": false,
	} {
		method, target, _ := strings.Cut(request, " ")
		if got := IsLong(method, target); got != want {
			t.Errorf("IsLong(%s) = %v", request, got)
		}
	}
}

// FuzzIsTrue holds the scan of a query to url.ParseQuery and the rule of
// apimachinery's Convert_Slice_string_To_bool.
func FuzzIsTrue(f *testing.F) {
	for _, q := range []string{
		"", "watch", "watch=", "watch=0", "watch=True", "watch=FALSE", "w%61tch=%30", "watch=%zz&watch=1", "a=b&watch=1;x", ";watch=1",
		"watch=0&watch=1", "&&watch", "watch=fal%C5%BFe", "+watch=1", "watch=+0", "watch%3D1", "watch==", "%zz=1&watch",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, _ := url.ParseQuery(query) // as [url.URL.Query]: what can be parsed counts
		want := false
		if v := values["watch"]; len(v) > 0 {
			want = v[0] != "0" && !strings.EqualFold(v[0], "false")
		}
		if got := isTrue(query, "watch"); got != want {
			t.Errorf("isTrue(%q) = %v, values %q", query, got, values["watch"])
		}
	})
}

func TestIsWatchAllocatesNothing(t *testing.T) {
	for _, target := range []string{
		"/api/v1/namespaces/default/pods/x", "/api/v1/pods?limit=500&labelSelector=a%3Db", "/apis/apps/v1/deployments?watch=true&resourceVersion=7",
	} {
		if n := testing.AllocsPerRun(100, func() {
			_ = IsWatch(http.MethodGet, target)
			_ = IsLong(http.MethodGet, target)
		}); n != 0 {
			t.Errorf("%s: %v allocations", target, n)
		}
	}
}

func BenchmarkIsWatch(b *testing.B) {
	for b.Loop() {
		_ = IsWatch(http.MethodGet, "/api/v1/namespaces/default/configmaps/x?limit=500&resourceVersion=12")
	}
}
