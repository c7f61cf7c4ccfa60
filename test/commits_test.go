package test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fairlead-io/fairlead/test/harness"
)

const (
	// lastUncheckedCommit is the last commit before messages were checked.
	lastUncheckedCommit = "aa6f005f95990f70f33d2392cb23639279eb954e"
	// maxSubject is the most characters of a commit's subject: what log
	// --oneline, mails and web pages show without cutting it.
	maxSubject = 72
)

// git runs git in dir. The folder may belong to somebody else, as in a
// container that CI mounts it into.
func git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-c", "safe.directory=*"}, args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// newCommits returns the commits of a clone that are not in base, without merges,
// newest first. In a shallow clone that does not reach back to base these are all of
// its commits. For a complete history without base it returns errNoBase.
func newCommits(dir, base string) ([]string, error) {
	args := []string{"rev-list", "--no-merges", "HEAD"}
	if _, err := git(dir, "cat-file", "-e", base+"^{commit}"); err == nil {
		args = append(args, "--not", base)
	} else if shallow, err := git(dir, "rev-parse", "--is-shallow-repository"); err != nil {
		return nil, err
	} else if shallow != "true" {
		return nil, errNoBase
	}
	out, err := git(dir, args...)
	return strings.Fields(out), err
}

var errNoBase = errors.New("the history does not have the commit from which on messages are checked")

// checkMessage says what is wrong with a commit's message.
func checkMessage(message string) error {
	subject, body, _ := strings.Cut(message, "\n")
	if n := utf8.RuneCountInString(subject); n > maxSubject {
		return fmt.Errorf("the subject has %d characters, at most %d", n, maxSubject)
	}
	for line := range strings.Lines(body) {
		if line = strings.TrimSpace(line); line != "" && !isTrailer(line) {
			return nil
		}
	}
	return errors.New("no body that says why")
}

// isTrailer tells lines such as "Signed-off-by: N. N. <n@example.com>" from
// sentences.
func isTrailer(line string) bool {
	key, _, ok := strings.Cut(line, ": ")
	return ok && strings.HasSuffix(strings.ToLower(key), "-by") && !strings.Contains(key, " ")
}

// TestCommitMessages: each new commit has a short subject, and a body that says
// why.
func TestCommitMessages(t *testing.T) {
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skip("no Git history here")
	}
	commits, err := newCommits(root, lastUncheckedCommit)
	if errors.Is(err, errNoBase) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commits {
		message, err := git(root, "show", "--no-patch", "--format=%B", c)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkMessage(message); err != nil {
			subject, _, _ := strings.Cut(message, "\n")
			t.Errorf("%s %s: %v", c[:12], subject, err)
		}
	}
	t.Logf("%d new commits", len(commits))
}

func TestCheckMessage(t *testing.T) {
	body := "\n\nIt was not.\n"
	for message, want := range map[string]string{
		"x: mend" + body:                                       "",
		strings.Repeat("é", maxSubject) + body:                 "",
		strings.Repeat("x", maxSubject+1) + body:               "characters",
		"x: mend":                                              "no body",
		"x: mend\n\n":                                          "no body",
		"x: mend\n\nSigned-off-by: A. B. <a@example.com>":      "no body",
		"x: mend\n\nWhy: it was not.\nReviewed-by: A. B.":      "",
		"x: mend\n\nIt was not.\n\nCo-authored-by: A. <a@b.c>": "",
	} {
		if err := checkMessage(message); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", message, err, want)
		}
	}
}

// TestNewCommits: whole and shallow clones, and a history without the base.
func TestNewCommits(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git here")
	}
	origin := t.TempDir()
	must := func(out string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	must(git(origin, "init", "-q"))
	var commits []string
	for _, subject := range []string{"old", "base", "new", "newest"} {
		must(git(origin, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "--allow-empty", "-m", subject))
		commits = append(commits, must(git(origin, "rev-parse", "HEAD")))
	}
	base, want := commits[1], commits[3]+" "+commits[2]
	clone := func(depth string) string {
		dir := filepath.Join(t.TempDir(), "clone")
		must(git(origin, "clone", "-q", "--depth", depth, "file://"+origin, dir))
		return dir
	}
	for name, tt := range map[string]struct{ dir, want string }{
		"whole":                     {origin, want},
		"shallow, with the base":    {clone("3"), want},
		"shallow, without the base": {clone("1"), commits[3]},
	} {
		if got := strings.Join(commitsOf(t, tt.dir, base), " "); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	if got, err := newCommits(origin, strings.Repeat("0", 40)); !errors.Is(err, errNoBase) {
		t.Errorf("a history without the base: %v, %v", got, err)
	}
}

func commitsOf(t *testing.T, dir, base string) []string {
	t.Helper()
	got, err := newCommits(dir, base)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
