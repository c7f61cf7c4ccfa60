// Package reload holds a value that is parsed from a file and parsed again
// after the file has changed.
//
// Invariants: there is always a value, since the file must be good to begin
// with and a bad change is logged and ignored; the file is looked at when the
// value is asked for, at most twice a second; there is no goroutine.
package reload
