// Package idset remembers which stream ids have been seen, in bounded memory.
package idset
