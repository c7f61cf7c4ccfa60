package bridge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestDrainEndsWatches: a watch ends well, with everything that had arrived, as soon
// as the drain begins. A followed log continues, and the log line says so.
func TestDrainEndsWatches(t *testing.T) {
	t.Parallel()
	const event = `{"type":"ADDED"}` + "\n"
	waitsFor := regexp.MustCompile(`draining: (2 requests|1 request) and 0 upgraded connections, up to (20|1\d\.?\d*)s`)
	for _, proto := range []string{"http1", "http2"} {
		t.Run(proto, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			c := r.h1
			if proto == "http2" {
				c = r.h2
			}
			finishing, finish := context.WithCancel(t.Context()) // however the test ends
			defer finish()
			reset := make(chan struct{})
			r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
				_, _ = s.Write(append(encodeHead(200, -1), event...))
				if strings.Contains(head.Target, "watch") {
					<-s.Context().Done()
					close(reset)
					return
				}
				<-finishing.Done()
				_ = s.WriteFinal([]byte("the end"))
			})
			open := func(query string) *http.Response {
				res, err := c.Do(r.request("GET", "/k8s/clusters/prod/x?"+query, nil))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = res.Body.Close() })
				if _, err := io.ReadFull(res.Body, make([]byte, len(event))); err != nil {
					t.Fatal(err)
				}
				return res
			}
			watch, logs := open("limit=5&watch=true"), open("follow=true")
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			drained := make(chan error, 1)
			go func() { drained <- r.server.Drain(ctx) }()

			ended := make(chan error, 1)
			go func() {
				rest, err := io.ReadAll(watch.Body)
				if len(rest) > 0 && err == nil {
					err = errors.New("more came: " + string(rest))
				}
				ended <- err
			}()
			if err := within(t, "the watch ends", 5*time.Second, ended); err != nil {
				t.Errorf("the watch ended with %v, want a good end", err)
			}
			within(t, "the agent hears of it", 5*time.Second, reset)
			r.eventually("the drain says what it waits for", func() bool {
				return waitsFor.MatchString(r.log.String())
			})
			select {
			case err := <-drained:
				t.Fatalf("Drain returned %v while a log was followed", err)
			default:
			}
			finish()
			if rest, err := io.ReadAll(logs.Body); err != nil || string(rest) != "the end" {
				t.Errorf("the log ended with %q, %v", rest, err)
			}
			if err := within(t, "Drain returns", 5*time.Second, drained); err != nil {
				t.Errorf("Drain: %v", err)
			}
		})
	}
}

// TestDrainEndsEverySpellingOfWatch: every request that the API server treats as a
// watch ends like a watch, however the client wrote it.
func TestDrainEndsEverySpellingOfWatch(t *testing.T) {
	t.Parallel()
	targets := []string{
		"/api/v1/namespaces?watch=True", "/api/v1/namespaces?watch=TRUE", "/api/v1/namespaces?watch=yes",
		"/api/v1/namespaces?watch", "/api/v1/namespaces?watch=", "/api/v1/namespaces?w%61tch=%31", "/api/v1/watch/namespaces",
	}
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(append(encodeHead(200, -1), "event"...))
		<-s.Context().Done()
	})
	var bodies []io.ReadCloser
	for _, target := range targets {
		res, err := r.h1.Do(r.request("GET", "/k8s/clusters/prod"+target, nil))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		bodies = append(bodies, res.Body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- r.server.Drain(ctx) }()
	for i, body := range bodies {
		ended := make(chan error, 1)
		go func() {
			got, err := io.ReadAll(body)
			if err == nil && string(got) != "event" {
				err = errors.New("it said " + string(got))
			}
			ended <- err
		}()
		if err := within(t, targets[i]+" ends", 5*time.Second, ended); err != nil {
			t.Errorf("%s ended with %v, want a good end", targets[i], err)
		}
	}
	if err := within(t, "Drain returns", 5*time.Second, drained); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

func TestDrainLetsRunningRequestsEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	began, finish := make(chan struct{}), make(chan struct{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		close(began)
		<-finish
		reply(s, 200, "done")
	})
	answered := make(chan string, 1)
	go func() {
		_, body := r.do(r.h1, r.request("POST", "/k8s/clusters/prod/x", strings.NewReader("x")))
		answered <- body
	}()
	within(t, "the request runs", 5*time.Second, began)
	drained := make(chan error, 1)
	go func() { drained <- r.server.Drain(t.Context()) }()
	r.eventually("no new connections are taken", func() bool {
		c := r.client(false)
		defer c.CloseIdleConnections()
		res, err := c.Do(r.request("GET", "/openapi.yaml", nil))
		if err == nil {
			_ = res.Body.Close()
		}
		return err != nil
	})
	if !r.server.Draining() {
		t.Error("Draining is false")
	}
	close(finish)
	if body := within(t, "the running request is answered", 5*time.Second, answered); body != "done" {
		t.Errorf("got %q", body)
	}
	if err := within(t, "Drain returns", 5*time.Second, drained); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

func TestDrainCutsWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	ended := make(chan struct{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(encodeHead(200, -1))
		<-s.Context().Done()
		close(ended)
	})
	res, err := r.h2.Do(r.request("GET", "/k8s/clusters/prod/x?follow=true", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.server.Drain(ctx); err == nil {
		t.Error("Drain returns no error although it cut a request")
	}
	within(t, "the agent's stream ends", 5*time.Second, ended)
	if _, err := res.Body.Read(make([]byte, 1)); err == nil || err.Error() == "EOF" {
		t.Errorf("the watch ended with %v, want that it looks broken", err)
	}
}
