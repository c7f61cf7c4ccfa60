package parting

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor/direct"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cborItems are whole items, most of them examples of RFC 8949 appendix A.
func cborItems(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for name, s := range map[string]string{
		"small": "00", "one byte": "1818", "two": "1903e8", "four": "1a000f4240", "eight": "1b000000e8d4a51000", "negative": "3903e7",
		"half": "f93c00", "single": "fa47c35000", "double": "fb3ff199999999999a", "true": "f5", "null": "f6", "simple": "f8ff",
		"no bytes": "40", "bytes": "4401020304", "no text": "60", "text": "6449455446", "long text": "7818 303132333435363738393031323334353637383930313233",
		"no items": "80", "array": "83010203", "nested": "8301820203820405", "empty nested": "828080", "no fields": "a0", "map": "a201020304",
		"map of arrays": "a26161016162820203", "tag": "c11a514b67b0", "tag of a tag": "d9d9f7c100", "tag of a map": "d9d9f7a161618101",
		"bytes in pieces": "5f42010243030405ff", "text in pieces": "7f657374726561646d696e67ff", "no array": "9fff", "array without a length": "9f018202039f0405ffff",
		"within a definite one": "83018202039f0405ff", "map without a length": "bf61610161629f0203ffff", "array in a map": "826161bf61626163ff", "no pieces": "5fff",
	} {
		all[name] = unhex(t, s)
	}
	event := metav1.WatchEvent{Type: "ADDED", Object: runtime.RawExtension{Object: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web-0", Labels: map[string]string{"app": strings.Repeat("x", 300)}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Args: []string{"a", "b"}}}},
	}}}
	b, err := direct.Marshal(&event)
	if err != nil {
		t.Fatal(err)
	}
	all["event"] = append([]byte(selfDescribed), b...)
	return all
}

// TestItems: where an item has ended, however the bytes came, and nowhere within it.
func TestItems(t *testing.T) {
	for name, b := range cborItems(t) {
		for _, before := range [][]byte{nil, b} {
			var s items
			s.pass(before)
			for i := range b {
				s.pass(b[i : i+1])
				if s.between() != (i == len(b)-1) {
					t.Fatalf("%s: after %d bytes of %d: between is %v", name, i+1, len(b), s.between())
				}
			}
		}
		var s items
		s.pass(append(bytes.Clone(b), b...))
		if !s.between() {
			t.Errorf("%s, twice at once: not between items", name)
		}
	}
}

// TestNoItems: what is not CBOR, or nested too deep, is never added to.
func TestNoItems(t *testing.T) {
	for name, b := range map[string][]byte{
		"reserved": unhex(t, "1c"), "break": unhex(t, "ff"), "break in an array": unhex(t, "81ff"), "break after a tag": unhex(t, "9fc1ff"),
		"indefinite number": unhex(t, "1f"), "indefinite tag": unhex(t, "df"), "map of 2^63": unhex(t, "bb8000000000000000"),
		"deep": bytes.Repeat([]byte{0x81}, maxNesting+1),
	} {
		var s items
		s.pass(b)
		s.pass(make([]byte, 1<<10))
		if s.between() || len(s.open) > maxNesting {
			t.Errorf("%s: between items, or %d are open", name, len(s.open))
		}
	}
}

// FuzzItems: the pieces in which bytes come make no difference.
func FuzzItems(f *testing.F) {
	for _, b := range cborItems(f) {
		f.Add(b, uint16(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		var whole, pieces items
		whole.pass(b)
		at := int(cut) % (len(b) + 1)
		pieces.pass(b[:at])
		pieces.pass(b[at:])
		if whole.between() != pieces.between() || len(whole.open) > maxNesting {
			t.Errorf("%x: %+v at once, %+v in two pieces", b, whole, pieces)
		}
	})
}
