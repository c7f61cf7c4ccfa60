// Package testca makes CAs and certificates for tests: good ones, and those that must
// be refused. It imports nothing of the product.
package testca
