package reload

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

const (
	// settleTime is how long files must have been unchanged before a change is
	// read: longer than any program takes from truncating a small file to
	// writing it.
	settleTime = 100 * time.Millisecond
	// emptyTime is settleTime for files of which one is empty: the state in which
	// a program that writes in place leaves a file first, and in which a machine
	// under load can leave it for longer. An empty file can be valid: a tokens file
	// without tokens. With [PollInterval] and the delay of followers, the change
	// still takes effect within a second.
	emptyTime = 400 * time.Millisecond
	// trustAge is how old a file's modification time must be before an equal one
	// means equal content. File systems keep these times in steps of up to two
	// seconds; two changes within one step look like one.
	trustAge = 2 * time.Second
	// maxSize bounds a file, in bytes: a larger one was named by mistake.
	maxSize = 16 << 20
	// firstReads bounds how often files are read at the start while they change
	// under the reader.
	firstReads = 3
)

// source notices changes of files. It is for one goroutine at a time.
type source struct {
	paths []string

	digest  [sha256.Size]byte // of what was read last
	read    stamp             // the files when that was read
	trusted bool              // as long as read is current, nothing has changed

	seen   stamp     // the files at the last poll
	seenAt time.Time // when they were first like that
}

// first reads the files at the start.
func (s *source) first() ([][]byte, error) {
	var contents [][]byte
	var err error
	for range firstReads {
		now := time.Now()
		before := statAll(s.paths)
		contents, err = readAll(s.paths)
		s.remember(before, now, digest(contents, err))
		if statAll(s.paths).equal(before) {
			break
		}
	}
	return contents, err
}

// next reads the files again if they may have changed. changed reports that
// their contents, or the error, are not what was read last.
func (s *source) next(now time.Time) (contents [][]byte, changed bool, err error) {
	current := statAll(s.paths)
	if s.trusted && current.equal(s.read) {
		return nil, false, nil
	}
	if !current.equal(s.seen) {
		s.seen, s.seenAt = current, now
	}
	settle := settleTime
	if current.anyEmpty() {
		settle = emptyTime
	}
	if !current.olderThan(settle, now) && now.Sub(s.seenAt) < settle {
		return nil, false, nil
	}
	contents, err = readAll(s.paths)
	if !statAll(s.paths).equal(current) {
		return nil, false, nil // the contents may be from before and after a change
	}
	was := s.digest
	s.remember(current, now, digest(contents, err))
	return contents, s.digest != was, err
}

// remember notes what was read, and what the files were like before.
func (s *source) remember(current stamp, now time.Time, digest [sha256.Size]byte) {
	s.digest, s.read, s.trusted = digest, current, current.olderThan(trustAge, now)
}

// stamp is what the file system says of files; nil for one that is not there
// or cannot be examined.
type stamp []fs.FileInfo

// statAll asks the file system about the files.
func statAll(paths []string) stamp {
	s := make(stamp, len(paths))
	for i, path := range paths {
		if info, err := os.Stat(path); err == nil {
			s[i] = info
		}
	}
	return s
}

// equal reports whether the files are the same ones with the same time and
// size. A link that was moved makes another file of the same path.
func (s stamp) equal(other stamp) bool {
	return slices.EqualFunc(s, other, func(a, b fs.FileInfo) bool {
		if a == nil || b == nil {
			return a == nil && b == nil
		}
		return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
	})
}

// olderThan reports whether all files are there and were last written longer
// than age ago. A time in the future says nothing.
func (s stamp) olderThan(age time.Duration, now time.Time) bool {
	return !slices.ContainsFunc(s, func(info fs.FileInfo) bool { return info == nil || now.Sub(info.ModTime()) < age })
}

// anyEmpty reports whether one of the files is there and has no content.
func (s stamp) anyEmpty() bool {
	return slices.ContainsFunc(s, func(info fs.FileInfo) bool { return info != nil && info.Size() == 0 })
}

// digest tells contents apart, and errors where there are none.
func digest(contents [][]byte, err error) [sha256.Size]byte {
	h := sha256.New()
	if err != nil {
		_, _ = io.WriteString(h, err.Error())
		return [sha256.Size]byte(h.Sum(nil))
	}
	for _, b := range contents {
		_ = binary.Write(h, binary.BigEndian, int64(len(b)))
		_, _ = h.Write(b)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func readAll(paths []string) ([][]byte, error) {
	contents := make([][]byte, len(paths))
	for i, path := range paths {
		b, err := readFile(path)
		if err != nil {
			return nil, err
		}
		contents[i] = b
	}
	return contents, nil
}

// readFile is [os.ReadFile] with a bound.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return nil, err // it names the file
	}
	if len(b) > maxSize {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxSize)
	}
	return b, nil
}
