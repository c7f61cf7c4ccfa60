package docs

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/test/harness"
)

// documents returns the repository's Markdown files in the order in which a
// reader meets them: README, the pages under docs, then the rest by name. Text
// of other projects and test data are left out.
func documents(t *testing.T) (root string, files []string) {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "fl") {
			return filepath.SkipDir
		}
		if filepath.Ext(name) == ".md" {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(files, func(a, b string) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a, b))
	})
	return root, files
}

// place is a document's position in that order.
func place(file string) int {
	switch {
	case file == "README.md":
		return 0
	case strings.HasPrefix(file, "docs/"):
		return 1
	}
	return 2
}

func blocks(t *testing.T) []Block {
	t.Helper()
	root, files := documents(t)
	var all []Block
	for _, f := range files {
		source, err := os.ReadFile(filepath.Join(root, f))
		if err != nil {
			t.Fatal(err)
		}
		found, err := Parse(f, source)
		if err != nil {
			t.Error(err)
		}
		all = append(all, found...)
	}
	return all
}

// notRun are the documents with commands in blocks of language text, and the
// reason why those are not run.
var notRun = map[string]string{
	"docs/agent.md":               "they need a list of the reader's own; the agent's TestCheckAllow shows the answers",
	"docs/images.md":              "they push to a registry; deploy/helm's TestOwnRegistry holds the charts to their flags",
	"docs/access.md":              "they need an issuer of ID tokens; test/e2e's TestCIJob goes this way, and the bridge's TestAccessReview, TestCheckConfig and TestExplain show the answers",
	"docs/access-audit.md":        "it needs a NATS system of the reader's own; the bridge's TestEventsReachTheStream makes the same stream",
	"docs/access-recording.md":    "they need recorded sessions; test/e2e's TestExecIsRecorded makes some, and the bridge's own tests list, show and play them",
	"docs/access-approvals.md":    "they need an issuer of ID tokens; the bridge's TestJustInTimeAccess goes this way",
	"docs/access-certificates.md": "it needs a certificate of a person; the bridge's tests of client certificates go this way",
	"docs/access-people.md":       "they need an issuer and a browser; the tests of bridge/cmd/kubectl-fairlead go this way",
	"docs/ecosystem.md":           "they need a hub and a login; the tests of bridge/cmd/kubectl-fairlead go this way",
	"docs/store.md":               "it needs a directory of an older release; the test of command fairlead-broker adds the account to one",
	"docs/regions.md":             "they need machines in several regions; test/e2e's TestTwoRegions joins brokers of one machine with the same flags",
	"docs/connections.md":         "they need a pod of the reader's own; test/e2e's TestExecOutlivesTheNetwork goes this way",
	"docs/apply.md":               "it needs objects of the reader's own; test/e2e's TestApply goes this way",
	"docs/doctor.md":              "a Job needs a cluster with the chart; deploy/helm's TestAgentDoctor renders it, and the tests of agent/doctor provoke each failure",
	"docs/events.md":              "a stream does not end, and a receiver is the reader's own; the bridge's TestEventStream reads one, and bridge/events/webhook runs the verification",
	"bench/README.md":             "the line by which the benchmark says how it was called",
}

// TestEveryCommandIsRun checks the documents against the rules of doc.go.
func TestEveryCommandIsRun(t *testing.T) {
	all := blocks(t)
	if len(all) < 10 {
		t.Fatalf("only %d blocks found", len(all))
	}
	for _, b := range all {
		switch b.Lang {
		case "sh":
			if len(b.Scenarios) == 0 {
				t.Errorf("%s: commands without a scenario: nothing runs them", b.Where())
			}
			for _, s := range b.Scenarios {
				if _, ok := scenarios[s]; !ok {
					t.Errorf("%s: no scenario %q", b.Where(), s)
				}
			}
			if b.Until != "" && !b.Background {
				t.Errorf("%s: until without background", b.Where())
			}
			if b.Background && b.Expect != "" {
				t.Errorf("%s: expect has no effect in the background; use until", b.Where())
			}
			bash := exec.CommandContext(t.Context(), "bash", "-n")
			bash.Stdin = strings.NewReader(b.Text)
			if out, err := bash.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", b.Where(), err, out)
			}
		case "yaml":
			var v any
			if err := yaml.Unmarshal([]byte(b.Text), &v); err != nil && !strings.Contains(b.Text, "{{") {
				t.Errorf("%s: %v", b.Where(), err)
			}
		case "text":
			if looksLikeCommands(b.Text) && notRun[b.File] == "" {
				t.Errorf("%s: commands in a block of language text: nothing runs them, and notRun does not say why", b.Where())
			}
		case "json", "go", "promql", "nginx":
		case "", "indented":
			if looksLikeCommands(b.Text) {
				t.Errorf("%s: commands in a block without language sh: nothing runs them", b.Where())
			}
		default:
			t.Errorf("%s: language %q is not one of sh, yaml, json, go, promql, nginx, text", b.Where(), b.Lang)
		}
		if b.Lang != "sh" && len(b.Scenarios) > 0 {
			t.Errorf("%s: a scenario for language %q", b.Where(), b.Lang)
		}
	}
	for name := range scenarios {
		if !slices.ContainsFunc(all, func(b Block) bool { return b.In(name) }) {
			t.Errorf("no document has a block of scenario %q", name)
		}
	}
}

// looksLikeCommands knows the words that the documents' commands begin with.
func looksLikeCommands(text string) bool {
	for line := range strings.Lines(text) {
		first, _, _ := strings.Cut(strings.TrimLeft(line, " $"), " ")
		switch filepath.Base(strings.TrimSpace(first)) {
		case "make", "go", "helm", "kubectl", "nsc", "curl", "docker", "docker-compose", "git", "nats", "export", "apt-get",
			"fairlead-agent", "fairlead-bridge", "fairlead-broker":
			return true
		}
	}
	return false
}

func TestParse(t *testing.T) {
	const source = "# T\n\n```sh scenario=a,b background until=\"it is up\"\nrun it\n```\n\n- item\n\n  ```sh scenario=c expect=x\n  two\n  lines\n  ```\n\nx\n\n    indented\n\n~~~\nplain\n~~~\n"
	got, err := Parse("x.md", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	want := []Block{
		{File: "x.md", Line: 4, Lang: "sh", Text: "run it\n", Scenarios: []string{"a", "b"}, Background: true, Until: "it is up"},
		{File: "x.md", Line: 10, Lang: "sh", Text: "two\nlines\n", Scenarios: []string{"c"}, Expect: "x"},
		{File: "x.md", Line: 16, Lang: "indented", Text: "indented\n"},
		{File: "x.md", Line: 19, Text: "plain\n"},
	}
	if !slices.EqualFunc(got, want, func(a, b Block) bool {
		return a.Where() == b.Where() && a.Lang == b.Lang && a.Text == b.Text && slices.Equal(a.Scenarios, b.Scenarios) &&
			a.Background == b.Background && a.Until == b.Until && a.Expect == b.Expect
	}) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	for _, bad := range []string{"sh secnario=a", "sh scenario", "sh until=\"open", "sh scenario="} {
		if _, err := Parse("x.md", []byte("```"+bad+"\n```\n")); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// runScript runs blocks as a scenario does and returns what was printed.
func runScript(t *testing.T, blocks ...Block) (string, error) {
	t.Helper()
	for i := range blocks {
		blocks[i].File, blocks[i].Line = "x.md", i+1
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", Script(blocks, t.TempDir()))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestScript(t *testing.T) {
	out, err := runScript(t,
		Block{Text: "where=here\ncount() { seq 3; }\n"},
		Block{Text: "while :; do\n  if test -e \"$HOME/never\"; then break; fi\n  echo it is up; sleep 1; done\n", Background: true, Until: "it is up"},
		Block{Text: "also=set; echo $where\ncount\n", Expect: "3"},
		Block{Text: "test $also = set\nkill $!\n"},
	)
	if err != nil || !strings.Contains(out, "== done") || !strings.Contains(out, "here\n1\n2\n3\n") {
		t.Errorf("%v:\n%s", err, out)
	}
	for _, c := range []struct {
		name, says string
		blocks     []Block
	}{
		{"a command that fails", "FAILED x.md:2: false", []Block{{Text: "true\n"}, {Text: "false\ntrue\n"}}},
		{"a command in a pipe", "FAILED x.md:1", []Block{{Text: "false | cat\n"}}},
		{"an unset variable", "nothing: unbound variable", []Block{{Text: "echo $nothing\n"}}},
		{"not what was expected", "was to print: dog", []Block{{Text: "echo cat\n", Expect: "dog"}}},
		{"a failure before what was expected", "FAILED x.md:1: false", []Block{{Text: "echo dog\nfalse\ntrue\n", Expect: "dog"}}},
		{"a server that ends", "ended without printing: up", []Block{{Text: "echo no\n", Background: true, Until: "up"}}},
	} {
		out, err := runScript(t, c.blocks...)
		if err == nil || !strings.Contains(out, c.says) || strings.Contains(out, "== done") {
			t.Errorf("%s: %v, printed\n%s\nwant %q", c.name, err, out, c.says)
		}
	}
}
