package process

import (
	"bytes"
	"io"
	"os"
)

// tailBytes bounds how much of a log is read for its tail.
const tailBytes = 16 << 10

// Tail returns the last lines of a file, each indented, for an error message.
// If the file cannot be read, it returns the reason instead.
func Tail(path string, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return "    (no log: " + err.Error() + ")"
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		if _, err := f.Seek(-tailBytes, io.SeekEnd); err != nil {
			return "    (no log: " + err.Error() + ")"
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, tailBytes))
	if err != nil {
		return "    (no log: " + err.Error() + ")"
	}
	data = bytes.TrimRight(data, "\n")
	if len(data) == 0 {
		return "    (the log is empty)"
	}
	all := bytes.Split(data, []byte("\n"))
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	var out bytes.Buffer
	for i, line := range all {
		if i > 0 {
			out.WriteByte('\n')
		}
		out.WriteString("    ")
		out.Write(line)
	}
	return out.String()
}
