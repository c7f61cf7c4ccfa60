package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Entry is a line of the index.
type Entry struct {
	ID string `json:"id"`
	Meta
	Start  time.Time `json:"start"`
	End    time.Time `json:"end,omitzero"`
	Bytes  int64     `json:"bytes"`
	File   string    `json:"file"`
	SHA256 string    `json:"sha256,omitempty"`
	// Reason is why the bridge ended the session, "" if it did not.
	Reason string `json:"reason,omitempty"`
	// Interrupted: the bridge ended before the session did. End is the time of the last
	// event or, in the shared store, that at which the bridge was last heard of. The
	// bridge has kept no sum: SHA256 is that of the file as another bridge found it, ""
	// in the shared store and until one has looked.
	Interrupted bool `json:"interrupted,omitempty"`
	// Key is the public key with which the bridge seals the recording in the shared
	// store, "" in a directory.
	Key string `json:"key,omitempty"`
	// Foreign: messages about the session were found in the shared store that its bridge
	// did not seal, or that somebody published again. They do not count.
	Foreign bool `json:"foreign,omitempty"`
}

const (
	indexFile = "index.jsonl"
	// maxEntry bounds a line in bytes: a command has at most what a request's head
	// has room for.
	maxEntry = 1 << 20
)

// quoted is a command line for people.
func quoted(command []string) string {
	var b bytes.Buffer
	for i, arg := range command {
		if i > 0 {
			b.WriteByte(' ')
		}
		if arg == "" || bytes.ContainsAny([]byte(arg), " \t\n\"'\\$`") {
			fmt.Fprintf(&b, "%q", arg)
			continue
		}
		b.WriteString(arg)
	}
	return b.String()
}

// openIndex opens the index for one process at a time.
func openIndex(root *os.Root) (*os.File, error) {
	for {
		f, err := root.OpenFile(indexFile, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := lockWait(f); err != nil {
			_ = f.Close()
			return nil, err
		}
		// Another process may have put a shorter one in its place.
		ours, err := f.Stat()
		if err == nil {
			var now os.FileInfo
			if now, err = root.Stat(indexFile); err == nil && os.SameFile(ours, now) {
				return f, nil
			}
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
}

// appendIndex adds a line, and waits until it is on the disk.
func appendIndex(root *os.Root, e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := openIndex(root)
	if err != nil {
		return err
	}
	defer f.Close()
	line = append(line, '\n')
	if torn(f) {
		line = append([]byte{'\n'}, line...)
	}
	if _, err := f.Write(line); err != nil {
		return err
	}
	return f.Sync()
}

// torn reports whether the last line was cut short by a crash or a full disk.
func torn(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] != '\n'
}

// readIndex reads all lines that are whole.
func readIndex(r io.Reader) ([]Entry, error) {
	var all []Entry
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEntry)
	for lines.Scan() {
		var e Entry
		if json.Unmarshal(lines.Bytes(), &e) == nil && ValidFile(e.File) {
			all = append(all, e)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", indexFile, err)
	}
	return all, nil
}

// ValidFile reports whether a name is that of a recording: "<id>.cast", with an id that
// has digits, lower-case letters, T, Z and a hyphen alone.
func ValidFile(name string) bool {
	const example = "20060102T150405Z-0123456789abcdef0123456789abcdef" + suffix
	if len(name) != len(example) {
		return false
	}
	for i := range len(name) - len(suffix) {
		c := name[i]
		switch example[i] {
		case 'T', 'Z', '-':
			if c != example[i] {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return name[len(name)-len(suffix):] == suffix
}
