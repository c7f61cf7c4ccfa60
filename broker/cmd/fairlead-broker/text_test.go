package main

import (
	"strings"
	"testing"
)

func TestWriteText(t *testing.T) {
	var out strings.Builder
	writeText(&out, "  ", "Make a new role (a change of the old one drops all its users, wherever they may happen to be): "+
		"nsc edit signing-key -a acme --sk generate --role agent-v2 --allow-sub 'down.{{name()}}.*.*' --subs 256; "+
		"mint the agents again; nsc push -a acme")
	want := `  Make a new role (a change of the old one drops all its users, wherever they
  may happen to be):
  nsc edit signing-key -a acme --sk generate --role agent-v2 \
      --allow-sub 'down.{{name()}}.*.*' --subs 256
  mint the agents again
  nsc push -a acme
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > textWidth+1 {
			t.Errorf("%d characters: %q", len(line), line)
		}
	}
}
