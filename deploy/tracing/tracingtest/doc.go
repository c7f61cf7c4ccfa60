// Package tracingtest is an OpenTelemetry collector for tests: it takes spans by OTLP
// over HTTP, as other collectors do, and keeps them.
package tracingtest
