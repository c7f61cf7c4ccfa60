package settings

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Bounds of labels, as presence has room for them.
const (
	MaxLabels     = 32
	MaxLabelBytes = 2 << 10 // of all keys and values
)

var (
	labelName   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`)
	labelPrefix = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
)

// CheckLabels says what is wrong with labels, by the syntax of Kubernetes and the bounds
// above. It names the first key at fault.
func CheckLabels(labels map[string]string) error {
	if len(labels) > MaxLabels {
		return fmt.Errorf("%d labels, at most %d allowed", len(labels), MaxLabels)
	}
	size := 0
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		value := labels[key]
		if !isLabelKey(key) {
			return fmt.Errorf("%.80q is not the key of a label: an optional DNS name and '/', and 1 to 63 letters, digits, '-', '_' and '.'", key)
		}
		if value != "" && (len(value) > 63 || !labelName.MatchString(value)) {
			return fmt.Errorf("%s: %.80q is not the value of a label: at most 63 letters, digits, '-', '_' and '.'", key, value)
		}
		size += len(key) + len(value)
	}
	if size > MaxLabelBytes {
		return fmt.Errorf("%d bytes of keys and values, at most %d allowed", size, MaxLabelBytes)
	}
	return nil
}

func isLabelKey(key string) bool {
	if prefix, name, ok := strings.Cut(key, "/"); ok {
		if len(prefix) > 253 || !labelPrefix.MatchString(prefix) {
			return false
		}
		key = name
	}
	return len(key) <= 63 && labelName.MatchString(key)
}
