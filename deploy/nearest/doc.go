// Package nearest finds the name that somebody probably meant, for messages about
// names that are not known.
//
// Invariants: a name is only suggested if it is close enough to be a slip of the
// keyboard or of memory; a wrong suggestion is worse than none.
package nearest
