// Package lint says what in an access file can be used and is probably not what its
// author meant: conditions that can never hold, grants that are never asked, users and
// groups that give more than they seem to.
//
// Invariants: a warning is about what the file itself shows, together with what is
// passed in [Known]; nobody is asked. What cannot be judged for sure is not warned about,
// as warnings that are wrong are not read for long.
package lint
