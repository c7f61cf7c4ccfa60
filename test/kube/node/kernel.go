package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// kernelSettings are the settings that the kubelet and the bridge plugin change.
var kernelSettings = []string{
	"/proc/sys/vm/overcommit_memory",
	"/proc/sys/vm/panic_on_oom",
	"/proc/sys/kernel/panic",
	"/proc/sys/kernel/panic_on_oops",
	"/proc/sys/kernel/keys/root_maxkeys",
	"/proc/sys/kernel/keys/root_maxbytes",
	"/proc/sys/net/ipv4/ip_forward",
}

// saveKernel saves the settings where a later Clean finds them.
func saveKernel(p places) error {
	values := map[string]string{}
	for _, path := range kernelSettings {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("save kernel settings: %w", err)
		}
		values[path] = strings.TrimSpace(string(data))
	}
	data, err := json.Marshal(values)
	if err != nil {
		return fmt.Errorf("save kernel settings: %w", err)
	}
	if err := os.WriteFile(p.savedKernel(), data, 0o600); err != nil {
		return fmt.Errorf("save kernel settings: %w", err)
	}
	return nil
}

// restoreKernel restores the settings that saveKernel saved, if it did.
func restoreKernel(p places) error {
	data, err := os.ReadFile(p.savedKernel())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore kernel settings: %w", err)
	}
	var values map[string]string
	if err := json.Unmarshal(data, &values); err != nil {
		return fmt.Errorf("restore kernel settings: %w", err)
	}
	var errs []error
	for _, path := range kernelSettings { // and no other path that the file may name
		value, ok := values[path]
		if !ok {
			continue
		}
		if now, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(now)) == value {
			continue
		}
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			errs = append(errs, fmt.Errorf("restore kernel settings: %w", err))
		}
	}
	return errors.Join(errs...)
}
