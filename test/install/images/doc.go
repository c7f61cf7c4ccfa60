// Package images tests the container images: 'make images' builds them, and a
// real engine runs them as locked down as a cluster would. They run with
// FAIRLEAD_E2E=1 and are skipped without; where there is no engine and none can
// be started they are skipped with the reason, and FAIRLEAD_E2E=require turns
// that into a failure.
//
// Invariants:
//   - Nothing is pulled, and containers reach no other machine.
//   - Containers, volumes and networks are named fairlead-images-*, and are
//     removed also by tests that fail.
package images
