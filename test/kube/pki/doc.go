// Package pki makes the certificates of one test cluster.
//
// Every start makes new certificates, and nothing else trusts them. So they are
// short-lived, and their keys are in plain files with mode 0600.
package pki
