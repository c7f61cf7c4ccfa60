package proxy

import (
	"strings"
)

// challenge is one way to log in that a proxy offers.
type challenge struct {
	scheme string // as the proxy writes it
	token  string // what follows in base64, "" for none or for parameters
	// parameters are what follows otherwise, separated by commas.
	parameters string
}

// maxChallenges bounds how many are looked at.
const maxChallenges = 16

// parseChallenges reads the headers Proxy-Authenticate. A header may hold several
// challenges, whose parameters are separated like the challenges themselves. A
// part without a scheme is a parameter of the challenge before it.
func parseChallenges(headers []string) []challenge {
	var all []challenge
	for _, header := range headers {
		for part := range splitUnquoted(header) {
			part = strings.TrimSpace(part)
			scheme, rest, _ := strings.Cut(part, " ")
			if !isToken(scheme) {
				if n := len(all); n > 0 && part != "" {
					all[n-1].parameters += "," + part
				}
				continue
			}
			if len(all) == maxChallenges {
				return all
			}
			c := challenge{scheme: scheme}
			if rest = strings.TrimSpace(rest); isToken68(rest) {
				c.token = rest
			} else {
				c.parameters = rest
			}
			all = append(all, c)
		}
	}
	return all
}

// splitUnquoted yields the parts between commas that are not in quotes.
func splitUnquoted(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		quoted, begin := false, 0
		for i := 0; i < len(s); i++ {
			switch {
			case quoted && s[i] == '\\':
				i++
			case s[i] == '"':
				quoted = !quoted
			case s[i] == ',' && !quoted:
				if !yield(s[begin:i]) {
					return
				}
				begin = i + 1
			}
		}
		yield(s[begin:])
	}
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// isToken reports whether s can be the name of a scheme. A parameter has "=".
func isToken(s string) bool {
	return s != "" && strings.Trim(s, alphanumeric+"!#$%&'*+-.^_`|~") == ""
}

// isToken68 reports whether s is data and not parameters.
func isToken68(s string) bool {
	return s != "" && strings.Trim(strings.TrimRight(s, "="), alphanumeric+"-._~+/") == ""
}

// find returns the first challenge of a scheme.
func find(all []challenge, scheme string) (challenge, bool) {
	for _, c := range all {
		if strings.EqualFold(c.scheme, scheme) {
			return c, true
		}
	}
	return challenge{}, false
}

// schemes lists what a proxy offers, for people.
func schemes(all []challenge) string {
	var names []string
	for _, c := range all {
		names = append(names, c.scheme)
	}
	return strings.Join(names, ", ")
}
