package compose

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

const configMaps = "/api/v1/namespaces/playground/configmaps"

// post makes a config map with one value.
func (s *system) post(ctx context.Context, name, value string) error {
	body, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name, "labels": map[string]string{"part": strings.TrimRight(name, "-0123456789")}},
		"data":     map[string]string{"value": value}})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server+configMaps, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = &statusError{resp.StatusCode, resp.Header.Get("Fairlead-Error"), string(answer)}
	}
	return err
}

// carriesTraffic: none of nginx's defaults is in the way. It would buffer bodies
// and limit their size, end quiet connections and drop upgrades.
func (s *system) carriesTraffic() {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()

	// 16 of about 900 KB, the most that etcd takes in one.
	large := randomText(900_000)
	for i := range 16 {
		if err := s.post(ctx, fmt.Sprintf("large-%d", i), large); err != nil {
			s.t.Fatal(err)
		}
	}
	list, err := s.get(ctx, configMaps+"?labelSelector=part%3Dlarge")
	if err != nil {
		s.t.Fatal(err)
	}
	if n := bytes.Count(list, []byte(large)); n != 16 {
		s.t.Errorf("of 16 large values %d came back whole, in %d bytes", n, len(list))
	}

	// The API server, not nginx, refuses a body that is too large.
	var refusal *statusError
	if err := s.post(ctx, "too-large", strings.Repeat(large, 20)); !errors.As(err, &refusal) ||
		refusal.status != http.StatusRequestEntityTooLarge || !strings.Contains(refusal.body, `"kind":"Status"`) {
		s.t.Errorf("18 MB: %v, want 413 by the API server", err)
	}

	// The head of a watch without events arrives at once, and so does each
	// event: neither waits for a full buffer. Over HTTP and over a WebSocket.
	for name, open := range map[string]func(context.Context, string) *watch{"http": s.watch, "websocket": s.watchByWebSocket} {
		w := open(ctx, configMaps+"?watch=true&labelSelector=part%3D"+name)
		began := time.Now()
		if err := s.post(ctx, name+"-1", "x"); err != nil {
			s.t.Fatal(err)
		}
		if err := w.until(`"name":"` + name + `-1"`); err != nil {
			s.t.Errorf("watch %s: %v", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			s.t.Errorf("the event came %v after it was asked for", took)
		}
		w.Close()
	}
}

// randomText consists of letters that need no escape in JSON and that do not
// compress well.
func randomText(n int) string {
	b := make([]byte, n*3/4)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b)
}

// watch is the body of a running watch.
type watch struct {
	io.Closer
	r *bufio.Reader
}

func (s *system) watch(ctx context.Context, path string) *watch {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		s.t.Fatalf("watch %s: %s", path, resp.Status)
	}
	return &watch{resp.Body, bufio.NewReader(resp.Body)}
}

// watchByWebSocket opens a watch on an upgraded connection: of all upgrades, only
// a watch needs no node.
func (s *system) watchByWebSocket(ctx context.Context, path string) *watch {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket",
		"Origin": s.url, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "ZmFpcmxlYWQgaXMgYSByaQ=="} {
		req.Header.Set(name, value)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		s.t.Fatalf("upgrade: %s: %.300s", resp.Status, body)
	}
	return &watch{resp.Body, bufio.NewReader(resp.Body)}
}

// until reads until the text has arrived; the request's context bounds it.
func (w *watch) until(text string) error {
	seen := make([]byte, 0, 4096)
	for !bytes.Contains(seen, []byte(text)) {
		b, err := w.r.ReadByte()
		if err != nil {
			return fmt.Errorf("before %s: %w", text, err)
		}
		seen = append(seen, b)
	}
	return nil
}

// survivesABroker kills the node that agent-a is connected to, under load. A
// watch continues without a gap, no GET fails, and each POST is executed once or
// reported as of unknown outcome.
func (s *system) survivesABroker() {
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Minute)
	defer cancel()
	_, said := s.inspect("agent-a").health()
	_, node, found := strings.Cut(said, "tls://")
	node, _, _ = strings.Cut(node, ":")
	if !found {
		s.t.Fatalf("agent-a does not say which broker it uses: %q", said)
	}
	w := s.watch(ctx, configMaps+"?watch=true&labelSelector=part%3Dkill")
	defer w.Close()

	var reading sync.WaitGroup
	stop, stopReading := context.WithCancel(ctx)
	var gets, failed int
	var longest time.Duration
	reading.Go(func() {
		for stop.Err() == nil {
			began := time.Now()
			if _, err := s.get(ctx, "/api/v1/namespaces/default"); err != nil {
				failed++
				s.t.Logf("GET number %d: %v", gets, err)
			}
			gets++
			longest = max(longest, time.Since(began))
		}
	})

	const posts, killAt = 120, 40
	var made, unknown []string
	for i := range posts {
		if i == killAt {
			s.docker("kill", s.container(node))
		}
		name := fmt.Sprintf("kill-%d", i)
		err := s.post(ctx, name, "x")
		var refusal *statusError
		switch {
		case err == nil:
			made = append(made, name)
		case errors.As(err, &refusal) && refusal.code == "outcome-unknown":
			unknown = append(unknown, name)
		default:
			s.t.Errorf("POST of %s: %v", name, err)
		}
	}
	stopReading()
	reading.Wait()
	s.t.Logf("%s killed: %d GETs, %d failed, the longest took %v; %d POSTs made, %d of unknown outcome",
		node, gets, failed, longest, len(made), len(unknown))
	if failed > 0 {
		s.t.Errorf("%d of %d GETs failed", failed, gets)
	}
	if err := w.exactly(made, unknown); err != nil {
		s.t.Error(err)
	}

	s.compose(time.Minute, "start", node)
	s.awaitHealth(node, "healthy", "", time.Minute)
	err := harness.Until(ctx, node+" to be one of three again", time.Minute, nil, func(ctx context.Context) error {
		got, err := s.query(ctx, `count(fairlead_broker_routes > 0)`)
		if err == nil && got != "3" {
			err = fmt.Errorf("%s brokers have routes", got)
		}
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
}

// exactly reads events until all objects that were made have been seen: each
// once and in order. Objects of unknown outcome may appear between them.
func (w *watch) exactly(made, unknown []string) error {
	maybe := map[string]bool{}
	for _, name := range unknown {
		maybe[name] = true
	}
	for events := json.NewDecoder(w.r); len(made) > 0; {
		var e struct {
			Type   string
			Object struct{ Metadata struct{ Name string } }
		}
		if err := events.Decode(&e); err != nil {
			return fmt.Errorf("the watch ended before %s: %w", made[0], err)
		}
		switch name := e.Object.Metadata.Name; {
		case e.Type != "ADDED":
			return fmt.Errorf("the watch reports %s of %s", e.Type, name)
		case name == made[0]:
			made = made[1:]
		case maybe[name]:
			delete(maybe, name)
		default:
			return fmt.Errorf("the watch reports %s, want %s", name, made[0])
		}
	}
	return nil
}
