package token

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdd(t *testing.T) {
	_, hashA := New()
	_, hashB := New()
	line := "name: a, hash: \"" + hashA + "\", clusters: [\"*\"]"
	for name, old := range map[string]string{
		"none":       "",
		"init's":     "# Who may call.\ntokens:\n- name: a # first\n  hash: \"" + hashA + "\"\n  clusters: [\"*\"]\n",
		"indented":   "tokens:\n    - {" + line + "}\n    # the last line",
		"flow":       "tokens: [{" + line + "}]",
		"empty list": "tokens: []\n",
		"empty":      "tokens:\n",
		"comment":    "# nobody yet\n",
		"flow map":   "{}\n",
	} {
		path := filepath.Join(t.TempDir(), "tokens.yaml")
		if name != "none" {
			if err := os.WriteFile(path, []byte(old), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		if name == "none" {
			link = path
		}
		if err := Add(link, "b", hashB, []string{"prod.acme", "*.lab"}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := 1 + strings.Count(old, "hash:")
		if set, err := parseTokens(b); err != nil || len(set) != want {
			t.Errorf("%s: %d tokens, %v, want %d:\n%s", name, len(set), err, want, b)
		}
		if name == "init's" && !strings.HasPrefix(string(b), old) {
			t.Errorf("%s: what was there has changed:\n%s", name, b)
		}
		if strings.Count(string(b), "#") != strings.Count(old, "#") {
			t.Errorf("%s: a comment is missing:\n%s", name, b)
		}
		mode := os.FileMode(0o640)
		if name == "none" {
			mode = newFileMode
		}
		if info, err := os.Lstat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: mode %v, %v, want %v", name, info.Mode(), err, mode)
		}
		if info, err := os.Lstat(link); err != nil || link != path && info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s: the link is %v, %v", name, info.Mode(), err)
		}
		if left, _ := filepath.Glob(path + "?*"); len(left) != 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}

func TestAddLeavesWhatItRefuses(t *testing.T) {
	_, hash := New()
	_, fresh := New()
	good := "tokens: [{name: a, hash: \"" + hash + "\", clusters: [\"*\"]}]\n"
	for _, tt := range []struct{ old, name, want string }{
		{good, "a", `tokens[a].name: another token has the name "a"`},
		{good + "error: --name and --clusters are required\n", "b", "error"},
		{"tokens: [", "b", "line 1"},
		{good, "B", "DNS label"},
	} {
		path := filepath.Join(t.TempDir(), "tokens.yaml")
		if err := os.WriteFile(path, []byte(tt.old), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Add(path, tt.name, fresh, []string{"*"}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want one with %q", tt.old, err, tt.want)
		}
		if b, _ := os.ReadFile(path); string(b) != tt.old {
			t.Errorf("%q has become %q", tt.old, b)
		}
		if left, _ := filepath.Glob(path + "?*"); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Add(path, "b", fresh, []string{"*"}); err == nil || !strings.Contains(err.Error(), "another change") {
		t.Errorf("during another change: %v", err)
	}
	if _, err := os.Stat(path + ".new"); err != nil {
		t.Errorf("the other change was broken: %v", err)
	}
}
