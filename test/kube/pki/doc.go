// Package pki makes the certificates of one test cluster.
//
// Everything is made anew for each start and is trusted by nothing else, so
// certificates are short-lived and keys lie in plain files with mode 0600.
package pki
