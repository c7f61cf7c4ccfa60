package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// maxName is the longest name that is kept as it is, in bytes; of longer ones, and of those
// with invisible characters, the hash is.
const maxName = 254

// names are what tells one person or program from another, whatever credential it came
// with: its user name, the owner of its token, the e-mail address and the user name that
// its issuer knows, and the issuer's own id of it. Letter case does not count.
func names(c *access.Caller) (all []string) {
	add := func(s string) {
		s = strings.ToLower(strings.TrimSpace(s))
		if len(s) > maxName || !plain(s) {
			sum := sha256.Sum256([]byte(s))
			s = "sha256:" + hex.EncodeToString(sum[:])
		}
		if s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	claim := func(key string) string {
		s, _ := c.Claims[key].(string)
		return s
	}
	add(c.Name)
	for _, owner := range c.Extra["owner"] {
		add(owner)
	}
	add(claim("email"))
	add(claim("preferred_username"))
	if sub := claim("sub"); sub != "" {
		add(claim("iss") + "#" + sub) // the same in two sections of the file, and after a change of name
	}
	return all
}

// ownBy returns [ErrOwn] if a caller may be who made the request.
func (r *Request) ownBy(c *access.Caller) error {
	if r.Caller == who(c) {
		return ErrOwn
	}
	theirs := append([]string{strings.ToLower(r.Caller.Name)}, r.Names...)
	for _, name := range names(c) {
		if slices.Contains(theirs, name) {
			return fmt.Errorf("%w: both who asked and who approves are %q, by whatever way of authentication", ErrOwn, name)
		}
	}
	return nil
}
