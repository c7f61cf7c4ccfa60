// Package api has the types of the platform API below /v1, as openapi.yaml
// describes them, for the bridge that serves it and for Go programs that call it.
// It imports nothing of this module.
package api
