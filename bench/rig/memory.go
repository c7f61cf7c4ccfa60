package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Memory is what a process holds, in bytes.
type Memory struct {
	Heap  int64 `json:"heap"`  // live objects after a garbage collection
	Stack int64 `json:"stack"` // stacks of goroutines
	RSS   int64 `json:"rss"`   // resident set, including garbage that is not yet collected or freed
}

// Live is what cannot be freed.
func (m Memory) Live() int64 { return m.Heap + m.Stack }

// Sub returns how much m is above o.
func (m Memory) Sub(o Memory) Memory {
	return Memory{Heap: m.Heap - o.Heap, Stack: m.Stack - o.Stack, RSS: m.RSS - o.RSS}
}

// collections is the number of garbage collections before memory is read: objects
// in a sync.Pool survive the first, and stacks shrink at each.
const collections = 3

// ReadMemory reads the memory of a process that serves /debug/pprof/ at ops,
// http://host:port, after it has collected its garbage.
func ReadMemory(ctx context.Context, ops string, pid int) (Memory, error) {
	var m Memory
	for range collections {
		var err error
		if m, err = heapProfile(ctx, ops+"/debug/pprof/heap?gc=1&debug=1"); err != nil {
			return Memory{}, err
		}
	}
	rss, err := residentSet(pid)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Memory{}, err
	}
	m.RSS = rss
	return m, nil
}

// heapProfile reads the memory statistics at the end of a textual heap profile.
func heapProfile(ctx context.Context, url string) (Memory, error) {
	profile, err := fetch(ctx, url)
	if err != nil {
		return Memory{}, fmt.Errorf("heap profile: %w", err)
	}
	defer func() { _ = profile.Close() }()
	var m Memory
	found := 0
	lines := bufio.NewReader(profile)
	for {
		line, err := lines.ReadString('\n')
		for prefix, v := range map[string]*int64{"# HeapAlloc = ": &m.Heap, "# Stack = ": &m.Stack} {
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				if *v, err = firstNumber(rest); err != nil {
					return Memory{}, fmt.Errorf("heap profile: %q: %w", line, err)
				}
				found++
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Memory{}, fmt.Errorf("heap profile: %w", err)
		}
	}
	if found != 2 {
		return Memory{}, errors.New("heap profile: no memory statistics in it")
	}
	return m, nil
}

func firstNumber(s string) (int64, error) {
	first, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	return strconv.ParseInt(first, 10, 64)
}

func residentSet(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm of process %d: %q", pid, b)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
