package webhook

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDocumentedVerification runs what docs/events.md has for receivers, with a request as it
// is sent and with one that was changed.
func TestDocumentedVerification(t *testing.T) {
	page, err := os.ReadFile("../../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(word string) string {
		for _, m := range regexp.MustCompile("(?s)```text\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
			if strings.Contains(m[1], word) {
				return m[1]
			}
		}
		t.Fatalf("docs/events.md has no block with %q", word)
		return ""
	}
	const body = `{"type":"cluster.connected","timestamp":"2026-11-28T09:12:04.518Z","data":{}}`
	key, err := parseSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature := sign([][]byte{[]byte("another"), key}, "mf4r8zk1-4711", now, []byte(body))
	python := block("def verify") + `
import os
verify(open("secret").read(), {"webhook-id": os.environ["id"], "webhook-timestamp": os.environ["sent"],
    "webhook-signature": os.environ["signature"]}, open("body", "rb").read())
`
	node := block("function verify") + `
verify(require('fs').readFileSync('secret', 'utf8'), {'webhook-id': process.env.id, 'webhook-timestamp': process.env.sent,
  'webhook-signature': process.env.signature}, require('fs').readFileSync('body'))
`
	for _, program := range [][]string{{"python3", "-c", python}, {"node", "-e", node}, {"bash", "-euo", "pipefail", "-c", block("openssl dgst")}} {
		if _, err := exec.LookPath(program[0]); err != nil {
			t.Logf("not run: %v", err)
			continue
		}
		for sent, good := range map[string]bool{body: true, body + " ": false} {
			dir := t.TempDir()
			overwrite(t, filepath.Join(dir, "secret"), secret+"\n")
			overwrite(t, filepath.Join(dir, "body"), sent)
			cmd := exec.CommandContext(t.Context(), program[0], program[1:]...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "id=mf4r8zk1-4711", "sent="+strconv.FormatInt(now.Unix(), 10), "signature="+signature)
			out, err := cmd.CombinedOutput()
			if (err == nil) != good || !good && !strings.Contains(string(out), "not signed with the secret") {
				t.Errorf("%s, body %q: %v: %s", program[0], sent, err, out)
			}
		}
	}
}

// TestDocumentedFile: the file of docs/events.md can be used.
func TestDocumentedFile(t *testing.T) {
	page, err := os.ReadFile("../../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n(webhooks:.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatal("docs/events.md has no file of webhooks")
	}
	if c, err := Parse(m[1]); err != nil || len(c.Webhooks) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}
