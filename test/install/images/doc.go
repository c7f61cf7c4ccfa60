// Package images tests the container images: 'make images' builds them, and a
// real engine runs them with the restrictions of a cluster. The tests run with
// FAIRLEAD_E2E=1. They are skipped without it, and on a machine where no engine
// runs or can be started, unless FAIRLEAD_E2E=require turns that into a failure.
//
// Invariants:
//   - Nothing is pulled, and containers reach no other machine.
//   - Containers, volumes and networks are named fairlead-images-*. Tests that
//     fail remove them too.
package images
