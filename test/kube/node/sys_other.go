//go:build !linux

package node

import "errors"

// Possible has said no before these are called.

func snapshotter(places) string { return "native" }

func detach(string) error { return errors.New("detach: needs Linux") }
