package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// TestBrokerLoss kills the broker node of the agent, and then that of the
// bridge, under everything that a user may be doing. No caller notices: all
// streams continue, byte for byte, and every POST is executed once.
func TestBrokerLoss(t *testing.T) {
	sp := newNodeSpace(t) // not parallel: it moves two gigabytes, which need both cores
	s := sp.ownSystem(harness.SystemOptions{Brokers: 3, Binaries: sp.plain})
	tunnel := sp.sideOf(s, s.Ref())
	o := sp.newOrigin()
	sp.pod("box", `i=0; while true; do echo "line $i"; i=$((i+1)); sleep 0.05; done`, "")

	for _, victim := range []string{"agent", "bridge"} {
		t.Run("of the "+victim, func(t *testing.T) {
			sp := &space{suite: sp.suite, t: t, name: sp.name}
			sp.separate(s)
			process := s.Agents[0]
			if victim == "bridge" {
				process = s.Bridge
			}
			node := sp.brokerOf(s, process)
			t.Logf("agent at %s, bridge at %s", sp.brokerOf(s, s.Agents[0]).Name(), sp.brokerOf(s, s.Bridge).Name())

			work := sp.beginWork(tunnel, o, victim)
			work.await("the long streams to be under way", enoughBytes, 0)
			work.beginPosts()
			work.await("everything to be under way", enoughBytes, enoughOthers)
			before := work.progress()
			if err := node.Kill(); err != nil {
				t.Fatal(err)
			}
			t.Logf("killed %s when %s", node.Name(), before)
			work.finish()
			if err := s.Restart(t.Context(), node); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// brokerOf is the broker node that a process is connected to.
func (sp *space) brokerOf(s *harness.System, n *harness.Node) *harness.Node {
	sp.t.Helper()
	var found *harness.Node
	sp.until(n.Name()+" to be connected to a broker", func(context.Context) error {
		for _, b := range s.Brokers {
			if k, err := n.ConnectedTo(b.Address); err != nil {
				return err
			} else if k > 0 {
				found = b
				return nil
			}
		}
		return errors.New("it is not")
	})
	return found
}

// separate restarts the agent until it and the bridge are connected to different
// brokers. Each chooses one at random.
func (sp *space) separate(s *harness.System) {
	sp.t.Helper()
	for range 20 {
		if sp.brokerOf(s, s.Agents[0]) != sp.brokerOf(s, s.Bridge) {
			return
		}
		if err := s.Agents[0].Stop(45 * time.Second); err != nil {
			sp.t.Fatal(err)
		}
		if err := s.Restart(sp.t.Context(), s.Agents[0]); err != nil {
			sp.t.Fatal(err)
		}
		if err := s.WaitReachable(sp.t.Context(), s.Ref()); err != nil {
			sp.t.Fatal(err)
		}
	}
	sp.t.Fatal("agent and bridge always chose the same broker")
}

// work is everything that goes on while a broker is lost.
type work struct {
	sp     *space
	side   side
	origin *origin
	label  string // of the objects that are made

	downloaded atomic.Int64 // bytes
	uploadFrom int64        // what the origin had received before
	posted     atomic.Int64
	spoken     atomic.Int64  // lines of the exec session
	followed   *running      // logs -f
	lost       chan struct{} // closed when the broker is lost: endless streams then end after a while
	wg         sync.WaitGroup

	mu   sync.Mutex // guards errs
	errs []error
}

const (
	posts        = 600 // in a burst
	postWorkers  = 6
	linesAfter   = 40 // of an exec session after the loss
	enoughBytes  = 64 << 20
	enoughOthers = 20
)

// beginWork starts all of it.
func (sp *space) beginWork(s side, o *origin, label string) *work {
	sp.t.Helper()
	w := &work{sp: sp, side: s, origin: o, label: label, uploadFrom: o.received.Load(), lost: make(chan struct{})}
	w.followed = sp.start(sp.on(s, "logs", "-f", "box"))
	watch := openWatch(sp.t, s, sp.path("/configmaps?watch=true&labelSelector=work%3D"+label))
	session := sp.start(sp.on(s, "exec", "-i", "box", "--", "sh", "-c", `while read l; do echo "got $l"; done; echo bye`))
	w.run("watch", func() error { return w.watch(watch) })
	w.run("exec", func() error { return w.talk(session) })
	w.run("download", func() error { return sp.downloadTo(s, o, 11, gib, counter{&w.downloaded}) })
	w.run("upload", func() error { return sp.upload(s, o, 12, gib) })
	return w
}

// beginPosts starts the burst, which is over soon.
func (w *work) beginPosts() {
	w.run("posts", func() error { return each(posts, postWorkers, w.post) })
}

func (w *work) run(what string, f func() error) {
	w.wg.Go(func() {
		if err := f(); err != nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.errs = append(w.errs, fmt.Errorf("%s: %w", what, err))
		}
	})
}

// post makes one object whose name the API server chooses, so that a second
// execution would make a second object.
func (w *work) post(i int) error {
	body := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"post-","labels":{"work":%q,"id":"%d"}}}`, w.label, i)
	req, err := http.NewRequestWithContext(w.sp.t.Context(), http.MethodPost, w.side.server+w.sp.path("/configmaps"), strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.GetBody = nil // net/http must not send it again by itself
	resp, err := w.side.client.Do(req)
	if err != nil {
		return fmt.Errorf("post %d: %w", i, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("post %d: %s, %s, %w", i, resp.Status, clip(string(answer)), err)
	}
	w.posted.Add(1)
	return nil
}

// watch expects to see each object once.
func (w *work) watch(resp *http.Response) error {
	seen := map[string]int{}
	scanner := bufio.NewScanner(resp.Body)
	for len(seen) < posts && scanner.Scan() {
		var event struct {
			Type   string
			Object struct {
				Metadata struct{ Labels map[string]string }
			}
		}
		if err := json.Unmarshal(scanner.Bytes(), &event); err != nil {
			return err
		}
		if event.Type != "ADDED" {
			return fmt.Errorf("event %s: %s", event.Type, scanner.Text())
		}
		seen[event.Object.Metadata.Labels["id"]]++
	}
	if len(seen) < posts {
		return fmt.Errorf("ended with %d of %d objects seen: %w", len(seen), posts, errors.Join(scanner.Err(), w.sp.t.Context().Err()))
	}
	for id, n := range seen {
		if n != 1 {
			return fmt.Errorf("object %s was seen %d times", id, n)
		}
	}
	return nil
}

// talk goes back and forth with a shell until a while after the loss.
func (w *work) talk(session *running) error {
	after := 0
	for i := 0; after < linesAfter; i++ {
		select {
		case <-w.lost:
			after++
		case <-session.done:
			return fmt.Errorf("ended after %d lines: %s", i, session.stderr)
		default:
		}
		line := fmt.Sprintf("line-%d-%s", i, w.label)
		if _, err := io.WriteString(session.stdin, line+"\n"); err != nil {
			return err
		}
		if !session.stdout.wait("got "+line+"\n", time.Minute, session.done) {
			return fmt.Errorf("no echo of %s: %s", line, session.stderr)
		}
		w.spoken.Add(1)
	}
	if err := session.stdin.Close(); err != nil {
		return err
	}
	if !session.stdout.wait("bye\n", time.Minute, session.done) {
		return errors.New("no goodbye after the end of stdin")
	}
	return nil
}

// await waits until everything has made some progress, and checks that nothing
// has ended yet.
func (w *work) await(what string, bytes, posted int64) {
	w.sp.t.Helper()
	w.sp.until(what, func(context.Context) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.errs) > 0 {
			w.sp.t.Fatal(errors.Join(w.errs...))
		}
		if w.downloaded.Load() < bytes || w.origin.received.Load()-w.uploadFrom < bytes || w.posted.Load() < posted ||
			w.spoken.Load() < enoughOthers || strings.Count(w.followed.stdout.String(), "\n") < enoughOthers {
			return errors.New(w.progress())
		}
		return nil
	})
	if w.downloaded.Load() == gib || w.origin.received.Load()-w.uploadFrom == gib || w.posted.Load() == posts {
		w.sp.t.Errorf("something has already ended, so the loss cannot affect it: %s", w.progress())
	}
}

func (w *work) progress() string {
	return fmt.Sprintf("%d MiB were downloaded, %d MiB uploaded, %d posts answered, %d lines of exec and %d of logs seen",
		w.downloaded.Load()>>20, (w.origin.received.Load()-w.uploadFrom)>>20, w.posted.Load(), w.spoken.Load(),
		strings.Count(w.followed.stdout.String(), "\n"))
}

// finish waits for everything to end and checks the results.
func (w *work) finish() {
	t := w.sp.t
	t.Helper()
	logged := strings.Count(w.followed.stdout.String(), "\n")
	close(w.lost)
	w.wg.Wait()
	for _, err := range w.errs {
		t.Error(err)
	}
	w.followed.expect(fmt.Sprintf("line %d\n", logged+linesAfter))
	w.followed.interrupt()
	w.followed.wait(10 * time.Second)
	for i, line := range bytes.Split(bytes.TrimSpace([]byte(w.followed.stdout.String())), []byte("\n")) {
		if want := fmt.Sprintf("line %d", i); string(line) != want {
			t.Errorf("logs -f: got %q, want %q", line, want)
			break
		}
	}
	w.checkPosts()
	t.Logf("in the end %s", w.progress())
}

// checkPosts expects that each post made exactly one object.
func (w *work) checkPosts() {
	w.sp.t.Helper()
	count := w.executions()
	for i := range posts {
		if n := count[fmt.Sprint(i)]; n != 1 {
			w.sp.t.Errorf("post %d was executed %d times", i, n)
		}
	}
}

// executions counts the objects by the post that made them.
func (w *work) executions() map[string]int {
	w.sp.t.Helper()
	made, err := w.sp.admin.CoreV1().ConfigMaps(w.sp.name).List(w.sp.t.Context(), metav1.ListOptions{LabelSelector: "work=" + w.label})
	if err != nil {
		w.sp.t.Fatal(err)
	}
	count := map[string]int{}
	for _, m := range made.Items {
		count[m.Labels["id"]]++
	}
	return count
}
