package pullsecret

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/pullsecret/dockerconfig"
)

// minPart is how many bytes of a secret in a row show it: webhooks shorten what they quote.
// One of fewer than minSecret bytes, which is anybody's guess, would hide any text.
const minPart, minSecret = 8, 4

// shows reports whether a text has a secret in it, or a part of one of minPart bytes.
func shows(text string, secrets []string) bool {
	parts := make(map[string]struct{}, len(text))
	for i := 0; i+minPart <= len(text); i++ {
		parts[text[i:i+minPart]] = struct{}{}
	}
	for _, s := range secrets {
		if len(s) >= minSecret && len(s) < minPart && strings.Contains(text, s) {
			return true
		}
		for i := 0; i+minPart <= len(s); i++ {
			if _, there := parts[s[i:i+minPart]]; there {
				return true
			}
		}
	}
	return false
}

// secretsOf are what no answer may show of the content of a pull secret: the content as
// the API server gets it, and its tokens, those of registries that it had before among
// them.
func secretsOf(content []byte) []string {
	all := []string{base64.StdEncoding.EncodeToString(content)}
	for _, s := range dockerconfig.Secrets(content) {
		all = append(all, s)
		for _, escape := range []func(any) ([]byte, error){json.Marshal, marshalPlain} {
			if escaped, err := escape(s); err == nil { // as in JSON that is quoted
				all = append(all, strings.Trim(string(escaped), "\"\n"))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// marshalPlain is [json.Marshal] without the escapes of HTML.
func marshalPlain(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return []byte(b.String()), err
}
