package record

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/record/cast"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("RECORD_TEST_DIR"); dir != "" {
		recordForEver(dir)
	}
	goleak.VerifyTestMain(m)
}

var meta = Meta{Request: "r1", Caller: "ci", Cluster: "prod", Kind: "exec", Namespace: "shop", Pod: "web", Command: []string{"sh"}}

func recorder(c Config) *Recorder { return New(nil, slog.New(slog.DiscardHandler)).With(c) }

func keeper() *Keeper { return NewKeeper(slog.New(slog.DiscardHandler)) }

func begin(t testing.TB, r *Recorder) *Session {
	t.Helper()
	s, err := r.Begin(meta)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Switched("websocket", http.Header{"Sec-Websocket-Protocol": {"v5.channel.k8s.io"}}); err != nil {
		t.Fatal(err)
	}
	return s
}

// output is a message of a server on channel stdout, of less than 126 bytes.
func output(text string) []byte {
	return append([]byte{0x82, byte(1 + len(text)), 1}, text...)
}

// contents is all output of a recording.
func contents(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := cast.NewReader(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Play(r, &b, 1e9, 0, func(time.Duration) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// recordForEver writes numbered lines, and says so when they are in the recorder.
func recordForEver(dir string) {
	s, err := recorder(Config{Directory: dir}).Begin(meta)
	if err == nil {
		err = s.Switched("websocket", http.Header{})
	}
	for i := 0; err == nil; i++ {
		_, err = s.ToClient(output(fmt.Sprintf("line %d\n", i)))
		time.Sleep(time.Millisecond)
		fmt.Println(i)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKilled: a recording outlives its bridge, up to what was waiting, and gets its
// line in the index.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RECORD_TEST_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := ""
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if last = lines.Text(); last == "200" {
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	a, err := OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	all, err := a.List()
	if err != nil || len(all) != 1 || !all[0].Interrupted || all[0].End.IsZero() || all[0].SHA256 != "" || !errors.Is(a.Verify(all[0]), ErrNoSum) {
		t.Fatalf("before the index is complete: %+v, %v", all, err)
	}
	if _, err := os.Stat(filepath.Join(dir, indexFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading has written the index: %v", err)
	}
	got := contents(t, filepath.Join(dir, all[0].File))
	if !strings.Contains(got, "line 199\n") || !strings.HasPrefix(got, "line 0\nline 1\n") {
		t.Errorf("killed after line %s, the recording ends with %q", last, got[max(0, len(got)-30):])
	}
	length := all[0].End.Sub(all[0].Start)
	if err := os.Chtimes(filepath.Join(dir, all[0].File), time.Time{}, time.Now().Add(time.Hour)); err != nil { // as a copy does
		t.Fatal(err)
	}
	for range 2 { // a second time changes nothing
		if err := keeper().keep(t.Context(), Config{Directory: dir}); err != nil {
			t.Fatal(err)
		}
	}
	all, err = a.List()
	if err != nil || len(all) != 1 || !all[0].Interrupted || all[0].Caller != "ci" || !errors.Is(a.Verify(all[0]), ErrNoSum) || all[0].End.Sub(all[0].Start) != length || length > time.Minute {
		t.Errorf("after that: %+v, %v", all, err)
	}
	if err := os.WriteFile(filepath.Join(dir, all[0].File), []byte(strings.ReplaceAll(got, "line", "LIES")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(all[0]); err == nil || errors.Is(err, ErrNoSum) {
		t.Errorf("a file that was changed since: %v", err)
	}
}

// slow is a disk that takes nothing, or has no room.
type slow struct {
	Medium
	release chan struct{} // nil: it is full
	once    bool
}

func (s *slow) Write(b []byte) (int, error) {
	if !s.once { // the header
		s.once = true
		return s.Medium.Write(b)
	}
	if s.release == nil {
		n, _ := s.Medium.Write(b[:len(b)/2])
		return n, &os.PathError{Op: "write", Path: "/secret/path", Err: syscall.ENOSPC}
	}
	<-s.release
	return s.Medium.Write(b)
}

// on makes a session whose file is on such a disk.
func on(t *testing.T, dir string, disk *slow) *Session {
	t.Helper()
	now := time.Now()
	e := Entry{Meta: meta, Start: now}
	e.Name([16]byte{1})
	f, err := createFile(dir, e.File)
	if err != nil {
		t.Fatal(err)
	}
	disk.Medium = f
	s := newSession(recorder(Config{}), Config{Directory: dir}, disk, e)
	if err := s.start(meta); err != nil {
		t.Fatal(err)
	}
	if err := s.Switched("websocket", http.Header{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDiskFull: the session ends with the reason, and what was written can be played.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	s := on(t, dir, &slow{})
	if _, err := s.ToClient(output("one\n")); err != nil {
		t.Fatal(err)
	}
	<-s.Failed().Done()
	if _, err := s.ToClient(output("two\n")); err == nil || !strings.Contains(err.Error(), "no space left on device") || strings.Contains(err.Error(), "secret") {
		t.Errorf("after the disk is full: %v", err)
	}
	if b := s.Farewell("why"); !bytes.Contains(b, []byte("why")) {
		t.Errorf("farewell %q", b)
	}
	s.Close()
	a, err := OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	e, err := a.Find("2")
	if err != nil || !strings.Contains(e.Reason, "no space left") || a.Verify(e) != nil {
		t.Errorf("index %+v, %v", e, err)
	}
}

// TestDiskHangs: a session waits for a disk that hangs no longer than stall, and keeps
// no more than maxPending.
func TestDiskHangs(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		disk := &slow{release: make(chan struct{})}
		s := on(t, dir, disk)
		start, line := time.Now(), output(strings.Repeat("x", 100))
		var err error
		n := 0
		for ; err == nil; n++ {
			_, err = s.ToClient(line)
		}
		if took := time.Since(start); took != stall || !errors.Is(err, errStalled) {
			t.Errorf("%v after %v, want %v", err, took, stall)
		}
		if kept := len(s.pending); kept > maxPending+1<<10 {
			t.Errorf("%d bytes wait for the disk after %d events", kept, n)
		}
		s.Close() // waits for stall again
		if took := time.Since(start); took != 2*stall {
			t.Errorf("closed after %v", took)
		}
		close(disk.release)
		<-s.done
	})
}

// TestFileGone: a file that was removed takes bytes, and is no recording.
func TestFileGone(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, recorder(Config{Directory: dir}))
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		<-s.Failed().Done()
		if err := context.Cause(s.Failed()); !errors.Is(err, errGone) || time.Since(start) > syncInterval {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		s.Close()
	})
	if _, err := recorder(Config{Directory: dir}).Begin(meta); !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), dir) {
		t.Errorf("without the directory: %v", err)
	}
}

// TestRetention: what is older is removed, with its line.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	c := Config{Directory: dir, Retention: time.Hour}
	r := recorder(c)
	old, recent := begin(t, r), begin(t, r)
	old.Close()
	recent.Close()
	going := begin(t, r)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	aged := old.entry
	aged.End = time.Now().Add(-2 * time.Hour)
	if err := replaceIndex(root, nil); err != nil {
		t.Fatal(err)
	}
	for _, e := range []Entry{aged, recent.entry} {
		if err := appendIndex(root, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := keeper().keep(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	a, err := OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	all, err := a.List()
	if err != nil || len(all) != 2 || all[0].ID == aged.ID || all[1].ID == aged.ID {
		t.Errorf("left are %+v, %v", all, err)
	}
	if _, err := root.Stat(aged.File); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old recording: %v", err)
	}
	going.Close()
	if e, err := a.Find(going.entry.ID); err != nil || a.Verify(e) != nil {
		t.Errorf("the session that went on: %+v, %v", e, err)
	}
}

// TestNames: nothing in an index or on a command line reaches another path.
func TestNames(t *testing.T) {
	e := Entry{Start: time.Now()}
	e.Name([16]byte{0xab})
	if !ValidFile(e.File) {
		t.Errorf("%q is not valid", e.File)
	}
	good := e.ID
	for _, name := range []string{"", "../x.cast", good, good + ".cast/..", "/" + good[1:] + suffix, strings.Replace(good, "-", "/", 1) + suffix, strings.ToUpper(good) + suffix} {
		if ValidFile(name) {
			t.Errorf("%q is valid", name)
		}
	}
	index := `{"id":"x","file":"../../etc/passwd"}` + "\n{torn\n"
	if all, err := readIndex(strings.NewReader(index)); err != nil || len(all) != 0 {
		t.Errorf("read %+v, %v", all, err)
	}
}

func TestConfig(t *testing.T) {
	var c Config
	if err := strictyaml.Unmarshal([]byte("directory: /x\ninput: true\nmaxSession: 500MiB\nretention: 720h\n"), &c); err != nil ||
		c != (Config{Directory: "/x", Input: true, MaxSession: 500 << 20, Retention: 720 * time.Hour}) {
		t.Errorf("%+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"input: true": "directory: none given, and no shared: true", "{shared: true, directory: /x}": "shared: the section has a directory too", "{directory: /x, maxTotal: 1GiB}": "maxTotal: want at least 1MiB, and only with shared", "{directory: [x]}": "want a string", "{directory: /x, maxSession: 1KiB}": "at least 1MiB",
		"{directory: /x, maxSession: big}": "want a size", "{directory: /x, retention: 1m}": "at least 1h", "{directory: /x, dir: /y}": "unknown key",
		"{directory: /x, maxSession: 9223372036854775807GiB}": "want a size",
	} {
		if err := strictyaml.Unmarshal([]byte(text), new(Config)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]Size{"1GiB": 1 << 30, "3 KiB": 3 << 10, "17": 17} {
		var s Size
		if err := yaml.Unmarshal([]byte(text), &s); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
	}
}

// TestPlay: pauses are shortened, and then divided.
func TestPlay(t *testing.T) {
	b, err := cast.AppendHeader(nil, cast.Header{})
	if err != nil {
		t.Fatal(err)
	}
	b = cast.AppendEvent(b, time.Second, cast.Output, []byte("a"))
	b = cast.AppendEvent(b, 11*time.Second, cast.Output, []byte("b"))
	r, err := cast.NewReader(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	var waited []time.Duration
	err = Play(r, io.Discard, 2, 4*time.Second, func(d time.Duration) error {
		waited = append(waited, d)
		return nil
	})
	if err != nil || len(waited) != 2 || waited[0] != 500*time.Millisecond || waited[1] != 2*time.Second {
		t.Errorf("waited %v, %v", waited, err)
	}
}

// BenchmarkSession records output as a busy session has it.
func BenchmarkSession(b *testing.B) {
	s := begin(b, recorder(Config{Directory: b.TempDir(), MaxSession: 1 << 40}))
	defer s.Close()
	payload := strings.Repeat("a line of output that has \x1b[1mcolours\x1b[0m\r\n", 700)
	message := append([]byte{0x82, 126, byte((1 + len(payload)) >> 8), byte(1 + len(payload)), 1}, payload...)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if _, err := s.ToClient(message); err != nil {
			b.Fatal(err)
		}
	}
}
