// Package image writes container images as docker archives, which any container
// runtime imports without a registry.
//
// Invariant: the same content gives the same bytes: no clock, no map order, no
// user of the building machine.
package image
