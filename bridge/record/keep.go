package record

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/record/cast"
)

// keepInterval is how often the directory is looked through: a recording outlives its
// retention by no more.
const keepInterval = 10 * time.Minute

// Keeper keeps the directory of recordings in order. It is safe for concurrent use.
type Keeper struct {
	log *slog.Logger

	mu      sync.Mutex
	config  Config
	changed chan struct{} // closed by the next change of config
}

// NewKeeper returns a keeper without a directory.
func NewKeeper(log *slog.Logger) *Keeper { return &Keeper{log: log, changed: make(chan struct{})} }

// Update changes the configuration: the directory and the retention.
func (k *Keeper) Update(c Config) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.config = c
	close(k.changed)
	k.changed = make(chan struct{})
}

func (k *Keeper) current() (Config, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.config, k.changed
}

// Run keeps the directory in order until ctx ends, then it returns nil: recordings of
// bridges that crashed get their line in the index, and those that are older than the
// retention are removed.
func (k *Keeper) Run(ctx context.Context) error {
	t := time.NewTicker(keepInterval)
	defer t.Stop()
	for {
		c, changed := k.current()
		if c.Directory != "" {
			if err := k.keep(ctx, c); err != nil && ctx.Err() == nil {
				k.log.Error("recordings cannot be kept in order", "directory", c.Directory, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-t.C:
		}
	}
}

func (k *Keeper) keep(ctx context.Context, c Config) error {
	root, err := os.OpenRoot(c.Directory)
	if err != nil {
		return err
	}
	defer root.Close()
	known, err := load(root)
	if err != nil {
		return err
	}
	files, err := recordings(root)
	if err != nil {
		return err
	}
	for _, name := range files {
		if _, ok := known[name]; ok || ctx.Err() != nil {
			continue
		}
		if err := k.complete(root, name); err != nil {
			return err
		}
	}
	if c.Retention == 0 {
		return nil
	}
	return k.expire(root, time.Now().Add(-c.Retention))
}

// load reads the index by file name.
func load(root *os.Root) (map[string]Entry, error) {
	f, err := root.Open(indexFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := readIndex(f)
	known := make(map[string]Entry, len(entries))
	for _, e := range entries {
		known[e.File] = e
	}
	return known, err
}

// recordings lists the files of recordings in the order of their beginning.
func recordings(root *os.Root) ([]string, error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if e.Type().IsRegular() && ValidFile(e.Name()) {
			files = append(files, e.Name())
		}
	}
	return files, nil
}

// complete puts a recording into the index whose bridge crashed. One that is being
// written stays as it is.
func (k *Keeper) complete(root *os.Root, name string) error {
	f, err := root.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if lock(f) != nil {
		return nil
	}
	// It may have ended since the index was read.
	if known, err := load(root); err != nil || known[name].File != "" {
		return err
	}
	e, err := inspect(f, name)
	if err != nil {
		k.log.Warn("file is not a recording", "file", name, "error", err)
		return nil
	}
	k.log.Warn("recording was interrupted", "session", e.ID, "request_id", e.Request)
	return appendIndex(root, e)
}

// inspect makes the entry of a recording from what the file has. It ends with its last
// event: the time of the file is that of whoever wrote or copied it last.
func inspect(f *os.File, name string) (Entry, error) {
	x := extra{}
	rd, err := cast.NewReader(f, &x)
	if err != nil {
		return Entry{}, err
	}
	start := time.Unix(rd.Header.Timestamp, 0).UTC()
	end := start
	for {
		event, err := rd.Next()
		if err != nil { // at the end, or in a line that was cut short
			break
		}
		end = start.Add(event.At)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Entry{}, err
	}
	n, sum, err := digest(f)
	if err != nil {
		return Entry{}, err
	}
	return Entry{
		ID: name[:len(name)-len(suffix)], Meta: x.Meta, Start: start, End: end,
		Bytes: n, File: name, SHA256: sum, Interrupted: true,
	}, nil
}

// digest returns the length and the sum of a recording.
func digest(f io.Reader) (n int64, sum string, err error) {
	h := sha256.New()
	if n, err = io.Copy(h, f); err != nil {
		return 0, "", err
	}
	return n, hex.EncodeToString(h.Sum(nil)), nil
}

// expire removes recordings that ended before a time, and then their lines.
func (k *Keeper) expire(root *os.Root, before time.Time) error {
	index, err := openIndex(root)
	if err != nil {
		return err
	}
	defer index.Close()
	entries, err := readIndex(index)
	if err != nil {
		return err
	}
	var left bytes.Buffer
	removed := 0
	for _, e := range entries {
		if e.End.Before(before) {
			if err := root.Remove(e.File); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			removed++
			continue
		}
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		left.Write(append(line, '\n'))
	}
	if removed == 0 {
		return nil
	}
	k.log.Info("recordings past their retention were removed", "recordings", removed)
	return replaceIndex(root, left.Bytes())
}

// replaceIndex puts a new index in the place of the old one, whose lock the caller
// has.
func replaceIndex(root *os.Root, b []byte) error {
	const temporary = indexFile + ".new"
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return root.Rename(temporary, indexFile)
}
