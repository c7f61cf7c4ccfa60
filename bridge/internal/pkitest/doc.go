// Package pkitest makes CAs and certificates for tests: good ones, and those that must
// be refused.
package pkitest
