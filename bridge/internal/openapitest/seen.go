package openapitest

import (
	"fmt"
	"slices"
)

// note remembers that a described response was seen.
func (d *Document) note(pair string) {
	d.mu.Lock()
	d.seen[pair] = true
	d.mu.Unlock()
}

// Unseen says which described responses no exchange has had, such as
// "GET /v1/clusters 200", and which of the excused ones one has had, or are not described.
// The values of excused are the reasons.
func (d *Document) Unseen(excused map[string]string) (faults []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	described := map[string]bool{}
	for _, op := range d.operations {
		for status := range op.responses {
			pair := op.pair(status)
			described[pair] = true
			if _, ok := excused[pair]; !ok && !d.seen[pair] {
				faults = append(faults, fmt.Sprintf("no test has seen %s", pair))
			}
		}
	}
	for pair := range excused {
		if d.seen[pair] {
			faults = append(faults, fmt.Sprintf("%s is excused, though a test has seen it", pair))
		} else if !described[pair] {
			faults = append(faults, fmt.Sprintf("%s is excused, but not described", pair))
		}
	}
	slices.Sort(faults)
	return faults
}
