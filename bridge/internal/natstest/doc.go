// Package natstest runs a real NATS server in operator mode for the bridge's
// tests: tenants are accounts whose JWTs list the two scoped signing keys, as
// in production. It exists because bridge may not import broker.
package natstest
