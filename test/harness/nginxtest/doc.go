// Package nginxtest runs a real nginx in front of whatever a test has: with the
// configuration that is shipped in deploy/nginx, or with one that people write first.
//
// Invariants:
//
//   - The snippets of deploy/nginx are used as they are. Of the two whole sites only
//     names, addresses and files are replaced, and each must be there.
//   - What is started ends with the test that started it.
//   - Where nginx is missing, tests are skipped; with FAIRLEAD_E2E=require they fail.
//
// It has no goroutines.
package nginxtest
