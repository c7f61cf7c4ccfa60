package record

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/record/cast"
)

// Shelf has recordings to read.
type Shelf interface {
	// List returns all sessions, in any order. Those that go on have neither an end nor a
	// sum; those whose bridge is gone are interrupted.
	List() ([]Entry, error)
	// Open opens the recording of a session.
	Open(e Entry) (io.ReadCloser, error)
	Close()
}

// Archive reads recordings. It changes nothing.
type Archive struct{ Shelf }

// OpenArchive opens a directory. [Archive.Close] must be called.
func OpenArchive(dir string) (*Archive, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Archive{folder{root}}, nil
}

// List returns all sessions in the order of their beginning. Those that go on have
// neither an end nor a sum; those whose bridge is gone are interrupted.
func (a *Archive) List() ([]Entry, error) {
	all, err := a.Shelf.List()
	slices.SortFunc(all, func(x, y Entry) int { return cmp.Or(x.Start.Compare(y.Start), cmp.Compare(x.ID, y.ID)) })
	return all, err
}

// Find returns the only session whose id begins with prefix.
func (a *Archive) Find(prefix string) (Entry, error) {
	all, err := a.List()
	if err != nil {
		return Entry{}, err
	}
	all = slices.DeleteFunc(all, func(e Entry) bool { return !strings.HasPrefix(e.ID, prefix) })
	switch len(all) {
	case 0:
		return Entry{}, fmt.Errorf("no session %q", prefix)
	case 1:
		return all[0], nil
	}
	return Entry{}, fmt.Errorf("%d sessions begin with %q", len(all), prefix)
}

// ErrNoSum is the error of [Archive.Verify] for a recording in a directory whose bridge
// was killed: it could not say the sum of what it had written.
var ErrNoSum = errors.New("its bridge was killed before it could keep a sum: nothing shows whether this is what was recorded")

// Verify reports whether the recording is the one that the index has. One whose bridge
// could not say its sum is good if all of it is sealed; in a directory nothing is, and the
// error is [ErrNoSum].
func (a *Archive) Verify(e Entry) error {
	sealed := e.Interrupted && e.Key != ""
	switch {
	case sealed:
	case e.SHA256 == "" && e.Interrupted:
		return ErrNoSum
	case e.SHA256 == "":
		return errors.New("the session goes on: there is no sum to compare yet")
	}
	f, err := a.Open(e)
	if err != nil {
		return err
	}
	defer f.Close()
	n, sum, err := digest(f)
	if err != nil {
		return err
	}
	if !sealed && (n != e.Bytes || sum != e.SHA256) {
		return errors.New("the file is not the one that was recorded: its length or its sum has changed")
	}
	if e.Interrupted && !sealed {
		return fmt.Errorf("%w; it has not changed since a bridge found it", ErrNoSum)
	}
	return nil
}

// folder is a [Shelf] in a directory.
type folder struct{ root *os.Root }

// Close implements [Shelf].
func (d folder) Close() { _ = d.root.Close() }

// Open implements [Shelf].
func (d folder) Open(e Entry) (io.ReadCloser, error) { return d.root.Open(e.File) }

// List implements [Shelf].
func (d folder) List() ([]Entry, error) {
	known, err := load(d.root)
	if err != nil {
		return nil, err
	}
	files, err := recordings(d.root)
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, name := range files {
		if _, ok := known[name]; ok {
			continue
		}
		e, err := d.unlisted(name)
		if err != nil { // it has no header yet, or is gone
			continue
		}
		if e.Interrupted { // unless it has ended since the index was read
			if known, err = load(d.root); err != nil {
				return nil, err
			}
		}
		if _, ok := known[name]; !ok {
			all = append(all, e)
		}
	}
	for _, e := range known {
		all = append(all, e)
	}
	return all, nil
}

// unlisted makes the entry of a recording that is not in the index. If no bridge writes
// it, its bridge was interrupted, and [Keeper.Run] of any bridge will put it there.
func (d folder) unlisted(name string) (Entry, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return Entry{}, err
	}
	defer f.Close()
	if abandoned(f) {
		e, err := inspect(f, name)
		e.SHA256 = "" // of the file as it is now: it shows nothing
		return e, err
	}
	info, err := f.Stat()
	if err != nil {
		return Entry{}, err
	}
	x := extra{}
	r, err := cast.NewReader(f, &x)
	if err != nil {
		return Entry{}, err
	}
	return Entry{ID: strings.TrimSuffix(name, suffix), Meta: x.Meta, Start: time.Unix(r.Header.Timestamp, 0).UTC(), Bytes: info.Size(), File: name}, nil
}

// Play writes the output of a recording to w in the time that it took, divided by
// speed; a pause takes at most idle, 0: there is no limit. wait returns after a
// duration, or an error that ends it.
func Play(r *cast.Reader, w io.Writer, speed float64, idle time.Duration, wait func(time.Duration) error) error {
	var last time.Duration
	for {
		event, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		pause := event.At - last
		last = event.At
		if idle > 0 {
			pause = min(pause, idle)
		}
		if pause = time.Duration(float64(pause) / speed); pause > 0 {
			if err := wait(pause); err != nil {
				return err
			}
		}
		if event.Code != cast.Output {
			continue
		}
		if _, err := w.Write(event.Data); err != nil {
			return err
		}
	}
}
