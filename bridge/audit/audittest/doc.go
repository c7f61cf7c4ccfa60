// Package audittest checks audit events in tests, against the schema that users read.
package audittest
