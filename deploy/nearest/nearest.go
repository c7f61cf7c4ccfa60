package nearest

import "strings"

// maxLength bounds the names that are compared, in bytes: the cost is quadratic, and
// what is longer is not a name.
const maxLength = 64

// Name returns the known name that is nearest to name, "" if none is near. Of equally
// near names it returns the first.
func Name(name string, known []string) (best string) {
	if name == "" || len(name) > maxLength {
		return ""
	}
	lower := strings.ToLower(name)
	least := 1 // a distance that is too far
	if len(name) > 2 {
		least = max(1, len(name)/3) + 1
	}
	for _, k := range known {
		if len(k) > maxLength {
			continue
		}
		other := strings.ToLower(k)
		d := distance(lower, other)
		if len(lower) > 2 && strings.HasPrefix(other, lower) { // it was cut short
			d = min(d, 1)
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is how many letters have to be changed, added, removed or swapped with the
// next one to make a into b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
