package reload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fixture is a folder of files whose times are in the bubble's clock.
type fixture struct {
	t      *testing.T
	dir    string
	logged bytes.Buffer
}

func newFixture(t *testing.T) *fixture { return &fixture{t: t, dir: t.TempDir()} }

func (x *fixture) log() *slog.Logger { return slog.New(slog.NewTextHandler(&x.logged, nil)) }

func (x *fixture) path(name string) string { return filepath.Join(x.dir, name) }

// write writes in place, as of now.
func (x *fixture) write(name, content string) {
	x.t.Helper()
	if err := errors.Join(os.WriteFile(x.path(name), []byte(content), 0o600), os.Chtimes(x.path(name), time.Now(), time.Now())); err != nil {
		x.t.Fatal(err)
	}
}

func (x *fixture) do(errs ...error) {
	x.t.Helper()
	if err := errors.Join(errs...); err != nil {
		x.t.Fatal(err)
	}
}

func (x *fixture) open(names ...string) *File[string] {
	x.t.Helper()
	paths := make([]string, len(names))
	for i := range names {
		paths[i] = x.path(names[i])
	}
	f, err := OpenAll("words", paths, x.log(), func(contents [][]byte) (string, error) {
		s := string(bytes.Join(contents, []byte("+")))
		if strings.Contains(s, "bad") {
			return "", errors.New("bad word")
		}
		return s, nil
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return f
}

// want checks the value at a poll that is due.
func (x *fixture) want(why string, f *File[string], want string) {
	x.t.Helper()
	time.Sleep(PollInterval)
	if got := f.Get(); got != want {
		x.t.Errorf("%s: %q, want %q", why, got, want)
	}
}

// wantLogged checks how often the log says that a change was read, and that one
// cannot be used.
func (x *fixture) wantLogged(why string, read, refused int) {
	x.t.Helper()
	got := x.logged.String()
	if a, b := strings.Count(got, "read changed"), strings.Count(got, "cannot be used"); a != read || b != refused {
		x.t.Errorf("%s: logged %d changes and %d that cannot be used, want %d and %d:\n%s", why, a, b, read, refused, got)
	}
}

// inBubble runs a test on a clock that the test advances.
func inBubble(t *testing.T, story func(t *testing.T, x *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { story(t, newFixture(t)) })
}

func TestMustBeGoodAtFirst(t *testing.T) {
	x := newFixture(t)
	parse := func(b []byte) (string, error) { return "", errors.New("bad word") }
	if _, err := Open("words", x.path("none"), nil, parse); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "words: ") {
		t.Errorf("a file that does not exist: %v", err)
	}
	x.write("f", "x")
	if _, err := Open("words", x.path("f"), nil, parse); err == nil || err.Error() != "words: "+x.path("f")+": bad word" {
		t.Errorf("error %v, want one that names the file and what it is for", err)
	}
	x.write("f", strings.Repeat("x", maxSize+1))
	if _, err := Open("words", x.path("f"), nil, parse); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a file over the limit: %v", err)
	}
}

func TestFollowsTheFile(t *testing.T) {
	inBubble(t, func(t *testing.T, x *fixture) {
		x.write("f", "one")
		f := x.open("f")
		x.want("at first", f, "one")
		x.write("f", "two")
		if got := f.Get(); got != "one" {
			t.Errorf("polled again within the interval: %q", got)
		}
		x.want("after a change", f, "two")
		x.want("and then", f, "two")
		x.wantLogged("one change", 1, 0)
	})
}

func TestKeepsTheLastGoodValue(t *testing.T) {
	inBubble(t, func(t *testing.T, x *fixture) {
		x.write("f", "one")
		f := x.open("f")
		x.write("f", "bad")
		x.want("bad", f, "one")
		x.want("still bad", f, "one")
		x.wantLogged("one bad change", 0, 1)
		x.write("f", "bad")
		x.want("the same written again", f, "one")
		x.wantLogged("the same written again is not a change", 0, 1)
		x.write("f", strings.Repeat("x", maxSize+1))
		x.want("too large", f, "one")
		x.wantLogged("another bad change", 0, 2)
		x.do(os.Remove(x.path("f")))
		for range 3 {
			x.want("removed", f, "one")
		}
		x.wantLogged("removed, once", 0, 3)
		x.write("f", "one")
		x.want("back as it was", f, "one")
		x.wantLogged("good again", 1, 3)
	})
}

// Every way to replace a file is noticed, even if size and time stay the same.
func TestSeesEveryKindOfReplacement(t *testing.T) {
	inBubble(t, func(t *testing.T, x *fixture) {
		x.write("f", "aaa")
		f := x.open("f")
		written := time.Now()
		same := func(name string) { x.do(os.Chtimes(x.path(name), written, written)) }

		x.write("f", "bbb")
		same("f")
		x.want("written in place within one step of the clock", f, "bbb")
		time.Sleep(trustAge)
		x.want("later", f, "bbb")

		x.write("next", "ccc")
		same("next")
		x.do(os.Rename(x.path("next"), x.path("f")))
		x.want("another file renamed over it", f, "ccc")
		x.wantLogged("two changes", 2, 0)
	})
}

// kubelet writes a mounted Secret to a new folder and moves the link ..data
// to it.
func TestSeesKubernetesSecrets(t *testing.T) {
	inBubble(t, func(t *testing.T, x *fixture) {
		x.do(os.Mkdir(x.path("..1"), 0o700), os.Mkdir(x.path("..2"), 0o700))
		for _, name := range []string{"crt", "key"} {
			x.write("..1/"+name, "one")
			x.write("..2/"+name, "two")
			x.do(os.Symlink("..data/"+name, x.path(name)))
		}
		x.do(os.Symlink("..1", x.path("..data")))
		f := x.open("crt", "key")
		time.Sleep(time.Hour)
		x.want("for long", f, "one+one")
		x.do(os.Symlink("..2", x.path("..data_tmp")), os.Rename(x.path("..data_tmp"), x.path("..data")))
		x.want("after the update", f, "two+two")
		x.do(os.RemoveAll(x.path("..1")))
		x.want("without the old folder", f, "two+two")
		x.wantLogged("one change of two files", 1, 0)
	})
}

// A file that is being written holds half of its content, which may be valid by
// itself: it is not read until the writer has finished.
func TestHalfWrittenIsNotRead(t *testing.T) {
	inBubble(t, func(t *testing.T, x *fixture) {
		x.write("f", "one two")
		f := x.open("f")
		time.Sleep(time.Minute)
		for _, part := range []string{"", "th", "three f", "three bad", "three four"} {
			x.write("f", part)
			for range 3 { // more polls do not make it older
				if got, err := f.Poll(); got != "one two" || err != nil {
					t.Errorf("%q was used while being written: %q, %v", part, got, err)
				}
			}
			time.Sleep(settleTime - time.Millisecond)
		}
		x.want("written", f, "three four")
		x.wantLogged("one change", 1, 0)
	})
}

// A file must be read even if the clock of its writer runs ahead.
func TestTimesInTheFuture(t *testing.T) {
	inBubble(t, func(t *testing.T, x *fixture) {
		x.write("f", "one")
		f := x.open("f")
		x.write("f", "two")
		x.do(os.Chtimes(x.path("f"), time.Now().Add(time.Hour), time.Now().Add(time.Hour)))
		x.want("first seen", f, "one")
		x.want("unchanged for an interval", f, "two")
	})
}

func TestLookSaysWhyTheFilesCannotBeUsed(t *testing.T) {
	inBubble(t, func(t *testing.T, x *fixture) {
		x.write("f", "one")
		f := x.open("f")
		x.write("f", "bad")
		time.Sleep(settleTime)
		got, err := f.Poll()
		if got != "one" || err == nil || err.Error() != "words: "+x.path("f")+": bad word" {
			t.Errorf("got %q, %v", got, err)
		}
		if _, again := f.Poll(); again != err {
			t.Errorf("another error without another change: %v", again)
		}
		x.write("f", "two")
		time.Sleep(settleTime)
		if got, err := f.Poll(); got != "two" || err != nil {
			t.Errorf("got %q, %v after it was corrected", got, err)
		}
	})
}

// Status tells metrics and probes which content is in use, without reading files.
// What looks like a credential is in no error and no log line, whatever parse says.
func TestErrorsShowNoCredential(t *testing.T) {
	inBubble(t, func(t *testing.T, x *fixture) {
		x.write("a", "good")
		refuse := func(content []byte) (string, error) {
			if s := string(content); s != "good" {
				return "", fmt.Errorf("%q is not good: %w", s, fs.ErrInvalid)
			}
			return "good", nil
		}
		f, err := Open("words", x.path("a"), x.log(), refuse)
		x.do(err)
		x.write("a", "fl_0123456789")
		time.Sleep(time.Minute)
		_, _ = f.Poll()
		time.Sleep(time.Minute)
		_, err = f.Poll()
		_, first := Open("words", x.path("a"), x.log(), refuse)
		for what, err := range map[string]error{"Poll": err, "Status": f.Status().Refused, "Open": first} {
			if !errors.Is(err, fs.ErrInvalid) || strings.Contains(err.Error(), "0123456789") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if s := x.logged.String(); !strings.Contains(s, "is not good") || strings.Contains(s, "0123456789") {
			t.Errorf("logged: %s", s)
		}
	})
}

func TestStatus(t *testing.T) {
	inBubble(t, func(t *testing.T, x *fixture) {
		x.write("f", "one")
		f := x.open("f")
		opened := time.Now()
		want := func(why string, read time.Time, refused string) {
			t.Helper()
			s := f.Status()
			if got := fmt.Sprint(s.Refused); !s.Read.Equal(read) || got != refused {
				t.Errorf("%s: read %v, refused %s; want %v, %s", why, s.Read, got, read, refused)
			}
		}
		want("at first", opened, "<nil>")
		time.Sleep(time.Hour)
		x.write("f", "bad")
		want("not polled", opened, "<nil>")
		x.want("bad", f, "one")
		want("bad", opened, "words: "+x.path("f")+": bad word")
		x.do(os.Remove(x.path("f")))
		x.want("removed", f, "one")
		x.want("removed for long enough", f, "one")
		want("removed", opened, "words: open "+x.path("f")+": no such file or directory")
		x.write("f", "two")
		x.want("corrected", f, "two")
		want("corrected", time.Now(), "<nil>")
	})
}

// Run applies a change that no caller asks for, within the promised second.
func TestRun(t *testing.T) {
	inBubble(t, func(t *testing.T, x *fixture) {
		x.write("f", "one")
		parsed := make(chan string, 2)
		f, err := Open("words", x.path("f"), nil, func(b []byte) (string, error) { parsed <- string(b); return string(b), nil })
		x.do(err)
		<-parsed
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- f.Run(ctx) }()
		time.Sleep(time.Hour + PollInterval/2)
		x.write("f", "two")
		changed := time.Now()
		if got := <-parsed; got != "two" || time.Since(changed) > time.Second {
			t.Errorf("read %q after %v", got, time.Since(changed))
		}
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
