package diagnosis

import "testing"

func TestTook(t *testing.T) {
	for millis, want := range map[float64]string{0.3: "0.3 ms", 38.4: "38.4 ms", 12010: "12.0 s", 1000: "1.0 s"} {
		if got := took(millis); got != want {
			t.Errorf("%v ms: %q, want %q", millis, got, want)
		}
	}
}
