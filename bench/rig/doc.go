// Package rig starts the processes of a benchmark, one for each thing whose
// CPU time and memory are to be told apart, and reads these from outside.
//
// Invariants:
//
//   - [Rig.Close] ends every process that was started, and removes the folder
//     that the rig works in. It returns when they have gone.
//   - Nothing waits for ever: a process that does not get ready, does not do
//     its job or does not stop in time is killed, and the error has the end of
//     what it printed.
//   - The benchmark's own parts are the running executable itself, started
//     again with [RoleEnv] in the environment.
package rig
