package subjects

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Extension is something that a head says beyond its fields, so that a newer
// peer can say more within a protocol version. [ExtensionIdentity] and
// [ExtensionReview] are the ids that are given out.
type Extension struct {
	// ID names the extension. Odd ids are critical: a receiver that does not
	// know one refuses the head. Even ones may be ignored.
	ID uint64
	// Value is any string of bytes, whose meaning the id gives.
	Value string
}

// Critical reports whether a receiver that does not know the extension must
// refuse the head.
func (e Extension) Critical() bool { return e.ID&1 == 1 }

// ErrExtension is wrapped where a head is well formed but demands an extension
// that this version does not know.
var ErrExtension = errors.New("unknown critical extension")

// checkExtensions finds a critical extension that is not among the known ones.
func checkExtensions(ext []Extension, known ...uint64) error {
	for _, e := range ext {
		if e.Critical() && !slices.Contains(known, e.ID) {
			return fmt.Errorf("%w %d", ErrExtension, e.ID)
		}
	}
	return nil
}

// appendExtensions appends the section, which is not empty.
func appendExtensions(b []byte, ext []Extension) ([]byte, error) {
	if len(ext) > MaxExtensions {
		return b, fmt.Errorf("%w: %d extensions, at most %d allowed", ErrHeadTooLarge, len(ext), MaxExtensions)
	}
	b = binary.AppendUvarint(b, uint64(len(ext)))
	last, size := uint64(0), 0
	for _, e := range ext {
		if e.ID <= last {
			return b, fmt.Errorf("%w: extension %d after %d", ErrHead, e.ID, last)
		}
		last = e.ID
		if size += len(e.Value); size > MaxExtensionBytes {
			return b, fmt.Errorf("%w: over %d bytes of extensions", ErrHeadTooLarge, MaxExtensionBytes)
		}
		b = appendString(binary.AppendUvarint(b, e.ID), e.Value)
	}
	return b, nil
}

// extensions reads the section; nil where the head has none.
func (r *headReader) extensions() []Extension {
	if r.pos == len(r.s) {
		return nil
	}
	n := r.uint()
	// Each takes at least two bytes: a lying count allocates nothing.
	if n == 0 || n > MaxExtensions || n > uint64(len(r.s)-r.pos)/2 {
		r.fail("bad number of extensions")
		return nil
	}
	ext := make([]Extension, 0, n)
	last, size := uint64(0), 0
	for range n {
		e := Extension{ID: r.uint(), Value: r.str()}
		size += len(e.Value)
		switch {
		case r.fault != "":
			return nil
		case e.ID <= last:
			r.fail("extension ids out of order")
			return nil
		case size > MaxExtensionBytes:
			r.fail("extensions too large")
			return nil
		}
		last = e.ID
		ext = append(ext, e)
	}
	return ext
}
