package record

import (
	"errors"
	"io"
	"os"
)

// Medium is what one recording is written to. It is used by one goroutine, but for Sync,
// which may run beside the other methods.
type Medium interface {
	// Write returns when the bytes survive the end of the bridge.
	io.Writer
	// Sync returns when what was written before survives the end of the host too.
	Sync() error
	// Present returns an error if the recording is not where it will be looked for.
	Present() error
	// Finish puts the recording into the index, complete.
	Finish(e Entry) error
	// Discard removes a recording of which there certainly was no session.
	Discard()
	// Close gives back what the medium holds. It is called last.
	Close()
}

// Vault is a place for recordings other than a directory. It is safe for concurrent use.
type Vault interface {
	// Create begins a recording and names it (see [Entry.Name]). What it returns an error
	// for has not begun. It waits for no longer than some seconds.
	Create(c Config, e *Entry) (Medium, error)
}

// disk is a [Medium] in a directory.
type disk struct {
	*os.File
	root *os.Root
	name string
}

// createFile begins a recording in a directory.
func createFile(dir, name string) (*disk, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	d := &disk{File: f, root: root, name: name}
	if err := lockWait(f); err != nil {
		d.Discard()
		d.Close()
		return nil, err
	}
	return d, nil
}

// Present implements [Medium]: a file that is no longer in its directory takes bytes
// without an error.
func (d *disk) Present() error {
	ours, err := d.Stat()
	if err != nil {
		return err
	}
	theirs, err := d.root.Lstat(d.name)
	if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(ours, theirs) {
		return errGone
	}
	return err
}

// Finish implements [Medium].
func (d *disk) Finish(e Entry) error { return appendIndex(d.root, e) }

// Discard implements [Medium].
func (d *disk) Discard() { _ = d.root.Remove(d.name) }

// Close implements [Medium].
func (d *disk) Close() {
	_ = d.File.Close() // it was synced, or has failed
	_ = d.root.Close()
}
