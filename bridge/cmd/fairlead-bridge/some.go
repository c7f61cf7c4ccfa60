package main

import (
	"fmt"
	"strings"
)

// maxNamed bounds how many tenants or issuers a line of /readyz names.
const maxNamed = 10

// some lists the first ones after a prefix, and says how many there are beside them; ""
// for none.
func some(prefix string, all []string) string {
	if len(all) == 0 {
		return ""
	}
	more := ""
	if n := len(all) - maxNamed; n > 0 {
		all, more = all[:maxNamed], fmt.Sprintf("; and %d more", n)
	}
	return prefix + strings.Join(all, "; ") + more
}
