// Package reachflags declares the flags that say how a broker is reached: for agents and
// bridges the same ones, with other beginnings.
package reachflags
