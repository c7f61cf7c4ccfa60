package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// idle is the script of a pod that only waits to be used.
const idle = "exec sleep 100000"

func TestExec(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.pod("box", idle, "")
	sp.overEach(func(sp *space, p protocol) {
		for _, command := range [][]string{
			{"echo", "hello"},
			{"sh", "-c", "echo out; echo err >&2; exit 7"},
			{"sh", "-c", "kill -9 $$"},
			{"false"},
			{"no-such-command"},
			{"sh", "-c", "printf '\\000\\001\\377\\r\\n\\004'"},
			{"sh", "-c", "yes | head -c 3000000"},
			{"sh", "-c", "exec >&-; sleep 0.2; echo still >&2"}, // stdout ends before stderr does
		} {
			args := slices.Concat([]string{"exec", "box", "--"}, command)
			sp.compare(args, sp.do(sp.on(sp.direct, args...).with(p.env...)), sp.do(sp.on(sp.tunnel, args...).with(p.env...)))
		}
		r := sp.do(sp.on(sp.tunnel, "exec", "box", "--", "sh", "-c", "exit 7").with(p.env...))
		if r.code != 7 {
			sp.t.Errorf("exit code %d, want the command's 7: %s", r.code, r.stderr)
		}
	})
}

// TestExecHalfClose needs the end of stdin to reach the command while its
// output is still to come. SPDY has always had that, WebSockets since v5.
func TestExecHalfClose(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.pod("box", idle, "")
	lines := make([]string, 20_000)
	for i := range lines {
		lines[i] = fmt.Sprintf("%08d\n", i)
	}
	want := strings.Join(lines, "")
	rand.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	sp.overEach(func(sp *space, p protocol) {
		args := []string{"exec", "-i", "box", "--", "sort"}
		got := sp.must(sp.on(sp.tunnel, args...).with(p.env...).input(strings.NewReader(strings.Join(lines, ""))))
		if got != want {
			sp.t.Errorf("sort gave %d bytes, want %d sorted ones", len(got), len(want))
		}
		for _, input := range []string{"", "x", "no newline at the end\nhere"} {
			if got := sp.must(sp.on(sp.tunnel, "exec", "-i", "box", "--", "cat").with(p.env...).input(strings.NewReader(input))); got != input {
				sp.t.Errorf("cat gave %q, want %q", got, input)
			}
		}
	})
}

// TestExecConversation goes back and forth: nothing may wait for a full buffer.
func TestExecConversation(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.pod("box", idle, "")
	sp.overEach(func(sp *space, p protocol) {
		r := sp.start(sp.on(sp.tunnel, "exec", "-i", "box", "--", "sh", "-c", `while read l; do echo "got $l"; done; echo bye; exit 5`).with(p.env...))
		for i := range 20 {
			r.say(fmt.Sprintf("line-%d\n", i))
			r.expect(fmt.Sprintf("got line-%d\n", i))
		}
		if err := r.stdin.Close(); err != nil {
			sp.t.Fatal(err)
		}
		r.expect("bye\n")
		if code := r.wait(callWithin); code != 5 {
			sp.t.Errorf("exit code %d, want 5", code)
		}
	})
}

func TestAttach(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.overEach(func(sp *space, p protocol) {
		pod := strings.ToLower(p.name)
		sp.pod(pod, `while read l; do echo "got $l"; done`, "")
		r := sp.start(sp.on(sp.tunnel, "attach", "-i", pod).with(p.env...))
		// Input that is sent before the attachment is complete is delayed, not lost.
		for i := range 5 {
			r.say(fmt.Sprintf("line-%d\n", i))
			r.expect(fmt.Sprintf("got line-%d\n", i))
		}
		r.interrupt()
		r.wait(callWithin)
		if log := sp.kubectl("logs", pod); !strings.Contains(log, "got line-4") {
			sp.t.Errorf("the log lacks the output of the attached process:\n%s", log)
		}
	})
}

// TestCopy copies a folder there and back with the tar in the container.
func TestCopy(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.pod("box", idle, "")
	files := map[string][]byte{
		"empty":           {},
		"small":           []byte("äöü\r\n\x00"),
		"deep/er/program": pseudoRandom(1, 100_003),
		"large":           pseudoRandom(2, 20<<20),
	}
	from := writeTree(t, files)
	sp.overEach(func(sp *space, p protocol) {
		in := "/tmp/" + p.name
		sp.must(sp.on(sp.tunnel, "cp", from, "box:"+in).with(p.env...))
		back := sp.t.TempDir()
		sp.must(sp.on(sp.tunnel, "cp", "box:"+in, back).with(p.env...))
		got := readTree(sp.t, back)
		for name, want := range files {
			if !bytes.Equal(got[name], want) {
				sp.t.Errorf("%s: %d bytes came back, want %d equal ones", name, len(got[name]), len(want))
			}
		}
		if len(got) != len(files) {
			sp.t.Errorf("%d files came back, want %d", len(got), len(files))
		}
	})
}
