// Package failures counts failed connections for Prometheus. Its labels come from the
// catalogue of causes, which is closed: no peer can add a time series.
package failures
