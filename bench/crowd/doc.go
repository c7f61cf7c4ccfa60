// Package crowd loses a thousand agents their broker at once and watches them come
// back: all within a bound, and never more a second than the broker admits. It has
// only tests.
package crowd
