// Package testbed holds what the suites of whole-system tests have in common: a
// Kubernetes and one or more Fairleads that all tests of a package share, a client
// for the administrator, and a namespace for each test.
//
// A suite's TestMain calls [Main], whose start function builds and starts what
// the tests share. Each test calls [Need] first.
//
// Invariants:
//   - Nothing is started unless FAIRLEAD_E2E is set; tests are skipped then, and
//     say so. With FAIRLEAD_E2E=require they fail where the machine lacks
//     something, instead of being skipped.
//   - Whatever was started is stopped, even if a start fails half-way.
//   - After a failure, the folder with all logs stays. After success, a leaked
//     goroutine is a failure.
package testbed
