// Package tracing exports the spans of a process to an OpenTelemetry collector, by
// OTLP over HTTP. It is configured by OpenTelemetry's standard environment variables
// alone, and is off unless they name a collector. docs/tracing.md describes it.
//
// [Open] reads the environment and returns a [Provider], nil if tracing is off.
// Package span, below this one, has the spans.
//
// Invariants:
//
//   - Off means that nothing is started and nothing is sent.
//   - What the environment says is checked at the start: what the SDK would log and
//     ignore is an error that names the variable. No error shows the value of a header.
//   - A request never waits for a collector. At most a stated number of ended spans
//     wait, further ones are dropped and counted.
//   - A collector that fails is logged once a minute, whatever it does.
//
// Goroutines: one of the SDK's batch processor, and those of net/http. They end with
// [Provider.Run] or [Provider.Close].
package tracing
