package dockerconfig

import (
	"encoding/json"
	"strings"
)

// Secrets returns the secret texts of a document's entries: tokens, in every form in which
// they are there. It is for what must not be shown.
func Secrets(document []byte) (all []string) {
	fields, err := object(document)
	if err != nil {
		return nil
	}
	entries, _ := object(last(fields, "auths"))
	for _, e := range entries {
		values, _ := object(e.value)
		for _, v := range values {
			var text string
			if isPublic(v.key) || json.Unmarshal(v.value, &text) != nil || text == "" {
				continue
			}
			all = append(all, text)
			if plain, ok := decodeAny(text); ok && strings.EqualFold(v.key, "auth") {
				_, token, there := strings.Cut(string(plain), ":")
				if !there {
					token = string(plain)
				}
				all = append(all, token)
			}
		}
	}
	return all
}

// isPublic reports whether a value of an entry is no secret.
func isPublic(key string) bool {
	return strings.EqualFold(key, "username") || strings.EqualFold(key, "email")
}
