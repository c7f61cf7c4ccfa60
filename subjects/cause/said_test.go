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
		"<title>ERROR</title><style><!-- body{} --></style><!-- x > y -->Denied<style>p{":                                                        `"ERROR Denied"`,
		"<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx</center>": `"404 Not Found nginx"`,
		"<TITLE>ERROR: Not retrieved</TITLE><h1>ERROR</h1><h2>Not retrieved</h2>":                                                                `"ERROR Not retrieved"`,
		"<title>Log in</title><p>Use your badge</p>":                                                                                             `"Log in Use your badge"`,
		"<title>Blocked</title>":  `"Blocked"`,
		"<title>cut o":            `"cut o"`,
		"no <b>markup</b> at <al": `"no markup at"`,
		"\xff":                    `"?"`,
		strings.Repeat("ä", 300):  fmt.Sprintf("%q", strings.Repeat("ä", maxSaid)+"..."),
	} {
		if got := Said([]byte(in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
