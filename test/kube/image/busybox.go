package image

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// Busybox makes an image from the machine's static busybox, with all its commands
// and the folders that programs expect.
func Busybox(ctx context.Context, tag, path string) (Image, error) {
	data, err := staticBinary(path)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", tag, err)
	}
	list, err := exec.CommandContext(ctx, path, "--list").Output()
	if err != nil {
		return Image{}, fmt.Errorf("image %s: ask busybox for its commands: %w", tag, err)
	}
	i := Image{
		Tag: tag, Architecture: runtime.GOARCH, Cmd: []string{"sh"},
		Env: []string{"PATH=/bin", "HOME=/root"},
	}
	for _, dir := range []string{"bin", "dev", "etc", "home", "proc", "root", "sys", "usr", "var"} {
		i.Files = append(i.Files, File{Path: dir, Mode: 0o755, Dir: true})
	}
	i.Files = append(i.Files,
		File{Path: "tmp", Mode: 0o1777, Dir: true},
		File{Path: "usr/bin", Mode: 0o777, Link: "../bin"}, // scripts name /usr/bin/env
		File{Path: "etc/passwd", Mode: 0o644, Data: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")},
		File{Path: "etc/group", Mode: 0o644, Data: []byte("root:x:0:\nnogroup:x:65534:\n")},
		File{Path: "bin/busybox", Mode: 0o755, Data: data},
	)
	commands := strings.Fields(string(list))
	slices.Sort(commands)
	for _, name := range slices.Compact(commands) {
		if name != "busybox" && !strings.Contains(name, "/") {
			i.Files = append(i.Files, File{Path: "bin/" + name, Mode: 0o777, Link: "busybox"})
		}
	}
	return i, nil
}

// Single makes an image that holds one static program.
func Single(tag, name, path string) (Image, error) {
	data, err := staticBinary(path)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", tag, err)
	}
	return Image{
		Tag: tag, Architecture: runtime.GOARCH, Entrypoint: []string{"/" + name},
		Files: []File{{Path: name, Mode: 0o755, Data: data}},
	}, nil
}

// staticBinary reads a program and checks that it needs nothing else in the image:
// a missing loader would show as "no such file" in a pod.
func staticBinary(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, fmt.Errorf("%s is dynamically linked; install busybox-static", path)
		}
	}
	return data, nil
}
