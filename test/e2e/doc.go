// Package e2e holds the whole-system tests: real kubectl, real client-go, the
// real binaries as processes, a real Kubernetes. What kubectl prints through
// the bridge is compared with what it prints directly, with the same identity.
//
// The tests run with FAIRLEAD_E2E=1, as 'make test' sets it, and are skipped
// without. Those that need running pods are skipped where this machine cannot
// be a node; FAIRLEAD_E2E=require turns that into a failure.
//
// One Kubernetes and one Fairlead are shared by all tests (main_test.go); each
// test has a namespace of its own. A test that breaks or measures processes
// starts a Fairlead of its own and does not run beside others.
package e2e
