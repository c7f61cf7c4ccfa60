package docs

import (
	"fmt"
	"strings"
)

// preamble is what a reader does without being told: wait for a server to be
// up, and look at what was printed. Waiting is bounded by 10 minutes, since the
// slowest thing a document starts builds a Kubernetes.
const preamble = `set -Eeuo pipefail
exec 8>&1 9>&2
printed=/dev/null
trap 'cat "$printed" >&9; echo "== FAILED $block_now: $BASH_COMMAND" >&9' ERR
await() { # LOG PID TEXT
	for _ in $(seq 6000); do
		if grep -qF -e "$3" "$1"; then return; fi
		if ! kill -0 "$2" 2>/dev/null; then echo "ended without printing: $3"; cat "$1"; return 1; fi
		sleep 0.1
	done
	echo "did not print in 10 minutes: $3"; cat "$1"; return 1
}
expect() { # FILE TEXT
	cat "$1"
	grep -qF -e "$2" "$1" || { echo "was to print: $2"; return 1; }
}
`

// Script is the bash program that runs blocks in order, in one shell. The output of
// blocks that run in the background or expect a text is kept in the folder logs.
func Script(blocks []Block, logs string) string {
	var s strings.Builder
	s.WriteString(preamble)
	for i, b := range blocks {
		out := fmt.Sprintf("%s/%02d.log", logs, i+1)
		fmt.Fprintf(&s, "block_now=%s\necho \"== $block_now\"\n", quote(b.Where()))
		switch {
		case b.Background:
			fmt.Fprintf(&s, ": >%s\n{\n%s} >%s 2>&1 8>&- 9>&- </dev/null &\n", quote(out), b.Text, quote(out))
			if b.Until != "" {
				fmt.Fprintf(&s, "await %s $! %s\n", quote(out), quote(b.Until))
			}
		case b.Expect != "":
			// No pipe and no subshell: what the block sets must stay set.
			fmt.Fprintf(&s, "printed=%s\nexec >\"$printed\" 2>&1\n%sexec >&8 2>&9\nexpect \"$printed\" %s\nprinted=/dev/null\n",
				quote(out), b.Text, quote(b.Expect))
		default:
			s.WriteString(b.Text)
		}
	}
	s.WriteString("echo '== done'\n")
	return s.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
