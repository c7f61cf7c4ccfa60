package cause

import (
	"fmt"
	"strings"
	"testing"
)

func TestSaid(t *testing.T) {
	for in, want := range map[string]string{
		"":                                 `""`,
		"  a\r\n\tb\x00\x1b[0m ":           `"a b [0m"`,
		"<h1>No</h1><script>x<y</script> ": `"No"`,
		"<title>ERROR</title><style><!-- body{} --></style><!-- x > y -->Denied<style>p{": `"ERROR Denied"`,
		"no <b>markup</b> at <al": `"no markup at"`,
		"\xff":                    `"?"`,
		strings.Repeat("ä", 300):  fmt.Sprintf("%q", strings.Repeat("ä", maxSaid)+"..."),
	} {
		if got := Said([]byte(in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
