package cause

// ID names a cause. It is stable, and fit for labels of metrics.
type ID string

// Info is what the catalogue says of a cause.
type Info struct {
	ID ID
	// Hops are those at which it occurs, the usual one first.
	Hops []Hop
	// Title names it in a few words, in lower case.
	Title string
	// Looks is an example of what comes back, for the documentation.
	Looks string
	// Means says what is likely wrong, in sentences.
	Means string
	// Do says what to do, in sentences.
	Do string
}

// Info returns what the catalogue says of the cause, and of [Unknown] for an ID
// that it does not have.
func (id ID) Info() *Info {
	if info := byID[id]; info != nil {
		return info
	}
	return byID[Unknown]
}

// Known reports whether the catalogue has the ID.
func (id ID) Known() bool { return byID[id] != nil }

// Catalogue returns all causes, in the order of their hops.
func Catalogue() []Info { return catalogue }

var byID = func() map[ID]*Info {
	m := make(map[ID]*Info, len(catalogue))
	for i := range catalogue {
		m[catalogue[i].ID] = &catalogue[i]
	}
	return m
}()

// docs is where docs/troubleshooting.md is read.
const docs = "https://github.com/fairlead-io/fairlead/blob/main/docs/troubleshooting.md#"

// URL is the address of the section of docs/troubleshooting.md about a cause.
func (id ID) URL() string { return docs + string(id.Info().ID) }
