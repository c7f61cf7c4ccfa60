package allow

import (
	"fmt"
	"strings"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
)

// Explain says what a request is and which rule of the list allows it, or why none does.
func (l *List) Explain(r *Request) (allowed string, refusal *Refusal) {
	info, err := requestinfo.Parse(r.Method, r.Target)
	if err != nil {
		return "", malformed()
	}
	if refusal = l.judge(r, info); refusal != nil {
		return "", refusal
	}
	by := "no rule under requests restricts it"
	if i := l.rule(r, info); i >= 0 {
		by = fmt.Sprintf("rule requests[%d]", i)
	}
	as := "as the agent itself"
	if r.As != nil {
		as = fmt.Sprintf("as user %.100q", r.As.User)
	}
	return fmt.Sprintf("%s, %s: %s", describe(r, info), as, by), nil
}

// Summary says what the list allows, for people.
func (l *List) Summary() string {
	agent := l.As == nil || l.As.Agent
	users := l.As != nil && len(l.As.Users)+len(l.As.ServiceAccounts) > 0
	switch {
	case !agent && !users:
		return "it allows nothing: nobody may act, as the section as has neither agent: true nor users nor serviceAccounts"
	case l.Requests != nil && len(l.Requests) == 0:
		return "it allows nothing: the section requests has no rule"
	}
	is := func(b *bool, want bool) bool { return b != nil && *b == want }
	rules := "every other request"
	if l.Requests != nil {
		rules = fmt.Sprintf("requests that one of %d rules allows", len(l.Requests))
		if len(l.Requests) == 1 {
			rules = "requests that its one rule allows"
		}
	}
	var parts []string
	for _, part := range []struct {
		holds bool
		text  string
	}{
		{is(l.ReadOnly, true), "reading only"},
		{is(l.Exec, false), "no exec"},
		{is(l.Secrets, false), "no Secrets"},
		{true, rules},
		{agent, "as the agent itself"},
		{users, "as users that are listed"},
	} {
		if part.holds {
			parts = append(parts, part.text)
		}
	}
	return strings.Join(parts, ", ")
}
