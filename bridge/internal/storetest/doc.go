// Package storetest runs real NATS servers with JetStream in operator mode, one or a
// cluster of three, whose account for the bridges' shared store is as in production. It
// is for tests only, and exists because bridge may not import broker.
package storetest
