package subjects

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func frame(d Data, payload string) []byte {
	b := make([]byte, DataHeaderLen+len(payload))
	PutData(b, d)
	copy(b[DataHeaderLen:], payload)
	return b
}

// TestLayout holds every byte of the frames that PROTOCOL.md shows.
func TestLayout(t *testing.T) {
	hex := func(s string) []byte { return []byte(s) }
	for _, tc := range []struct {
		name      string
		got, want []byte
	}{
		{"DATA", frame(Data{Flags: DataOpen | DataFin, Stream: 0x0102030405060708, Offset: 0, Ack: 3, Limit: 0x40000}, "hi"),
			hex("\x11\x03" + "\x01\x02\x03\x04\x05\x06\x07\x08" + "\x00\x00\x00\x00\x00\x00\x00\x00" +
				"\x00\x00\x00\x00\x00\x00\x00\x03" + "\x00\x00\x00\x00\x00\x04\x00\x00" + "hi")},
		{"ACK", AppendAcks(nil, []Ack{{1, 2, 3, AckGap}, {4, 5, 6, AckClosed}}),
			hex("\x12\x00" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x02" + "\x00\x00\x00\x00\x00\x00\x00\x03" + "\x01" +
				"\x00\x00\x00\x00\x00\x00\x00\x04" + "\x00\x00\x00\x00\x00\x00\x00\x05" + "\x00\x00\x00\x00\x00\x00\x00\x06" + "\x04")},
		{"PROBE", AppendProbes(nil, []Probe{{1, 2, 3, 4}}),
			hex("\x13\x00" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x02" +
				"\x00\x00\x00\x00\x00\x00\x00\x03" + "\x00\x00\x00\x00\x00\x00\x00\x04")},
		{"RESET", AppendReset(nil, 1, CodeTimeout, "late"), hex("\x14\x00" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x0c" + "late")},
		{"PING", AppendPing(nil, FramePing, Ping{1, 2}), hex("\x15\x00" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x02")},
		{"PONG", AppendPing(nil, FramePong, Ping{1, 2}), hex("\x16\x00" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x02")},
	} {
		if !bytes.Equal(tc.got, tc.want) {
			t.Errorf("%s is % x, want % x", tc.name, tc.got, tc.want)
		}
		if ft, err := ParseType(tc.got); err != nil || ft.String() != tc.name {
			t.Errorf("%s is taken for %v, %v", tc.name, ft, err)
		}
	}
}

func TestDataRoundTrip(t *testing.T) {
	for _, d := range []Data{
		{Flags: DataOpen, Stream: 1, Limit: InitialWindow},
		{Flags: DataOpen | DataFin, Stream: 1<<64 - 1, Ack: maxOffset, Limit: maxOffset},
		{Flags: DataFin | DataTrailer, Stream: 9, Offset: maxOffset},
		{Stream: 9, Offset: 77},
	} {
		got, payload, err := ParseData(frame(d, "payload"))
		if got != d || string(payload) != "payload" || err != nil {
			t.Errorf("%+v came back as %+v, %q, %v", d, got, payload, err)
		}
	}
}

func TestMalformedData(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":                    {},
		"short":                    frame(Data{Stream: 1}, "")[:33],
		"stream 0":                 frame(Data{}, "x"),
		"unknown flag":             frame(Data{Flags: 8, Stream: 1}, "x"),
		"open at an offset":        frame(Data{Flags: DataOpen, Stream: 1, Offset: 1}, "x"),
		"open without bytes":       frame(Data{Flags: DataOpen, Stream: 1}, ""),
		"trailer without end":      frame(Data{Flags: DataTrailer, Stream: 1}, "x"),
		"trailer that opens":       frame(Data{Flags: DataTrailer | DataFin | DataOpen, Stream: 1}, "x"),
		"trailer too long":         frame(Data{Flags: DataTrailer | DataFin, Stream: 1}, strings.Repeat("x", MaxTrailer+1)),
		"offset beyond the bounds": frame(Data{Stream: 1, Offset: maxOffset + 1}, "x"),
		"ack beyond the bounds":    frame(Data{Stream: 1, Ack: 1<<64 - 1}, "x"),
		"limit beyond the bounds":  frame(Data{Stream: 1, Limit: 1 << 63}, "x"),
	} {
		d, payload, err := ParseData(b)
		if !errors.Is(err, ErrFrame) || d != (Data{}) || payload != nil {
			t.Errorf("%s: %+v, %q, %v; want nothing but ErrFrame", name, d, payload, err)
		}
	}
	d, _, err := ParseData(frame(Data{Flags: 0xf0 | DataFin, Stream: 1}, "x"))
	if d.Flags != DataFin || err != nil {
		t.Errorf("hints of a newer peer: flags %#x, %v; want them left out", d.Flags, err)
	}
}

func TestParseType(t *testing.T) {
	for _, tc := range []struct {
		b    []byte
		want FrameType
		err  error
	}{
		{nil, 0, ErrFrame},
		{[]byte{0x11}, 0, ErrFrame},
		{[]byte{0x11, 0}, FrameData, nil},
		{[]byte{0x1f, 0}, 15, nil}, // unknown types are the caller's to ignore
		{[]byte{0x01, 0}, FrameData, ErrVersion},
		{[]byte{0x21, 0}, FrameData, ErrVersion},
		{append([]byte{0x11}, make([]byte, MaxMessage)...), FrameData, ErrFrame},
		{append([]byte{0x11}, make([]byte, MaxMessage-1)...), FrameData, nil},
	} {
		got, err := ParseType(tc.b)
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%d bytes, % x...: %v, %v; want %v, %v", len(tc.b), tc.b[:min(2, len(tc.b))], got, err, tc.want, tc.err)
		}
	}
}

func TestAcksAndProbes(t *testing.T) {
	acks := []Ack{{1, 2, 3, 4}, {5, 6, 7, 0xff}, {8, maxOffset, maxOffset, 0}}
	var gotA []Ack
	if err := ParseAcks(AppendAcks(nil, acks), func(a Ack) { gotA = append(gotA, a) }); err != nil || !reflect.DeepEqual(gotA, acks) {
		t.Errorf("acks came back as %+v, %v", gotA, err)
	}
	probes := []Probe{{1, 2, 3, 4}, {5, maxOffset, maxOffset, maxOffset}}
	var gotP []Probe
	if err := ParseProbes(AppendProbes(nil, probes), func(p Probe) { gotP = append(gotP, p) }); err != nil || !reflect.DeepEqual(gotP, probes) {
		t.Errorf("probes came back as %+v, %v", gotP, err)
	}
	// Numbers beyond the bounds are cut, so that sums cannot overflow.
	_ = ParseAcks(AppendAcks(nil, []Ack{{1, 1<<64 - 1, 1 << 63, 0}}), func(a Ack) {
		if a.Ack != maxOffset || a.Limit != maxOffset {
			t.Errorf("got %+v", a)
		}
	})
	for n := 1; n < 60; n++ {
		b := append(AppendAcks(nil, acks), make([]byte, n)...)
		err := ParseAcks(b, func(a Ack) {
			if n%25 != 0 {
				t.Error("an entry of a malformed frame was taken")
			}
		})
		if (err == nil) != (n%25 == 0) {
			t.Errorf("%d bytes too many: %v", n, err)
		}
		b = append(AppendProbes(nil, probes), make([]byte, n)...)
		err = ParseProbes(b, func(Probe) {
			if n%32 != 0 {
				t.Error("an entry of a malformed frame was taken")
			}
		})
		if (err == nil) != (n%32 == 0) {
			t.Errorf("%d bytes too many: %v", n, err)
		}
	}
	if full := AppendProbes(nil, make([]Probe, MaxEntries)); len(full) > MaxMessage {
		t.Errorf("MaxEntries probes make a message of %d bytes", len(full))
	}
	if full := AppendAcks(nil, make([]Ack, MaxEntries)); len(full) > MaxMessage {
		t.Errorf("MaxEntries acks make a message of %d bytes", len(full))
	}
}

func TestReset(t *testing.T) {
	for _, tc := range []struct{ detail, want string }{
		{"", ""}, {"why", "why"}, {"b\xffad", "bad"},
		{strings.Repeat("x", 2*MaxDetail), strings.Repeat("x", MaxDetail)},
		{strings.Repeat("x", MaxDetail-1) + "é", strings.Repeat("x", MaxDetail-1)}, // no half character
	} {
		id, code, detail, err := ParseReset(AppendReset(nil, 7, 4242, tc.detail))
		if id != 7 || code != 4242 || detail != tc.want || err != nil {
			t.Errorf("%.20q: %d %v %.20q %v", tc.detail, id, code, detail, err)
		}
	}
	if _, _, _, err := ParseReset(AppendReset(nil, 7, CodeTimeout, "")[:11]); !errors.Is(err, ErrFrame) {
		t.Errorf("short: %v", err)
	}
}

func TestPing(t *testing.T) {
	p := Ping{1 << 63, 1<<64 - 1}
	b := AppendPing(nil, FramePong, p)
	if got, err := ParsePing(b); got != p || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ParsePing(append(b, "more"...)); got != p || err != nil {
		t.Errorf("with more: %+v, %v", got, err)
	}
	if _, err := ParsePing(b[:17]); !errors.Is(err, ErrFrame) {
		t.Errorf("short: %v", err)
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add(frame(Data{Flags: DataOpen, Stream: 1, Limit: InitialWindow}, "payload"))
	f.Add(frame(Data{Flags: DataFin | DataTrailer, Stream: 1, Offset: 9}, "trailer"))
	f.Add(AppendAcks(nil, []Ack{{1, 2, 3, 4}, {5, 6, 7, 8}}))
	f.Add(AppendProbes(nil, []Probe{{1, 2, 3, 4}}))
	f.Add(AppendReset(nil, 7, CodeTimeout, "late"))
	f.Add(AppendPing(nil, FramePing, Ping{1, 2}))
	f.Add([]byte{0x21, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = ParseStream(b)
		ft, err := ParseType(b)
		if err != nil {
			if !errors.Is(err, ErrFrame) && !errors.Is(err, ErrVersion) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		switch ft {
		case FrameData:
			d, payload, err := ParseData(b)
			if err != nil {
				return
			}
			want := append([]byte(nil), b...)
			want[1] &= 0x0f
			if got := frame(d, string(payload)); !bytes.Equal(got, want) {
				t.Errorf("% x came back as % x", b, got)
			}
		case FrameAck:
			var acks []Ack
			if ParseAcks(b, func(a Ack) { acks = append(acks, a) }) == nil && len(AppendAcks(nil, acks)) != len(b) {
				t.Errorf("% x has %d entries", b, len(acks))
			}
		case FrameProbe:
			var probes []Probe
			if ParseProbes(b, func(p Probe) { probes = append(probes, p) }) == nil && len(AppendProbes(nil, probes)) != len(b) {
				t.Errorf("% x has %d entries", b, len(probes))
			}
		case FrameReset:
			id, code, detail, err := ParseReset(b)
			if err != nil {
				return
			}
			id2, code2, detail2, err := ParseReset(AppendReset(nil, id, code, detail))
			if id2 != id || code2 != code || detail2 != detail || err != nil {
				t.Errorf("%d %v %q came back as %d %v %q, %v", id, code, detail, id2, code2, detail2, err)
			}
		case FramePing, FramePong:
			if p, err := ParsePing(b); err == nil {
				if got, err := ParsePing(AppendPing(nil, ft, p)); got != p || err != nil {
					t.Errorf("%+v came back as %+v, %v", p, got, err)
				}
			}
		}
	})
}
