package cause

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCatalogue: names are fit for labels, and every cause says what it means and what
// to do.
func TestCatalogue(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := make(map[ID]bool)
	for _, c := range Catalogue() {
		if len(c.ID) > 32 {
			t.Errorf("%s is too long for a presence", c.ID)
		}
		if !name.MatchString(string(c.ID)) || seen[c.ID] {
			t.Errorf("ID %q is malformed or used twice", c.ID)
		}
		seen[c.ID] = true
		if len(c.Hops) == 0 || slices.ContainsFunc(c.Hops, func(h Hop) bool { return !slices.Contains(Hops(), h) }) {
			t.Errorf("%s: hops %v", c.ID, c.Hops)
		}
		if c.Title == "" || strings.HasSuffix(c.Title, ".") {
			t.Errorf("%s: title %q", c.ID, c.Title)
		}
		if c.Looks == "" {
			t.Errorf("%s: no example of what it looks like", c.ID)
		}
		for _, text := range []string{c.Means, c.Do} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q is not sentences", c.ID, text)
			}
		}
		if c.ID.Info().ID != c.ID || !c.ID.Known() {
			t.Errorf("%s: not found by its ID", c.ID)
		}
	}
	if ID("of-a-newer-agent").Info().ID != Unknown || ID("of-a-newer-agent").Known() {
		t.Error("an ID that is not in the catalogue is not shown as unknown")
	}
}
