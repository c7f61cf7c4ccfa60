package tunnel

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// eventFrames follows the events of a watch's response, to know whether another
// event may be sent after them. A nil *eventFrames knows nothing of them.
type eventFrames struct {
	// protobuf: each event follows its length, as four bytes in network order.
	// Otherwise each event is a line of JSON.
	protobuf bool
	head     [4]byte // of the event under way, as far as it has come
	n        int     // bytes of head
	left     uint32  // bytes of the event that are still to come
	inLine   bool    // the last byte was not the end of a line
}

// newEventFrames returns nil where the encoding is another one.
func newEventFrames(h http.Header) *eventFrames {
	if len(h["Content-Encoding"]) > 0 || len(h["Content-Type"]) != 1 {
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(h["Content-Type"][0])
	switch {
	case err != nil:
	case mediaType == runtime.ContentTypeJSON:
		return &eventFrames{}
	case mediaType == runtime.ContentTypeProtobuf && params["stream"] == "watch":
		return &eventFrames{protobuf: true}
	}
	return nil
}

// pass notes bytes that were sent.
func (e *eventFrames) pass(b []byte) {
	if e == nil || len(b) == 0 {
		return
	}
	if !e.protobuf {
		e.inLine = b[len(b)-1] != '\n'
		return
	}
	for len(b) > 0 {
		if e.left > 0 {
			k := min(uint64(e.left), uint64(len(b)))
			e.left -= uint32(k)
			b = b[k:]
			continue
		}
		e.head[e.n] = b[0]
		e.n++
		b = b[1:]
		if e.n == len(e.head) {
			e.left, e.n = binary.BigEndian.Uint32(e.head[:]), 0
		}
	}
}

// between reports whether the last event has come to its end.
func (e *eventFrames) between() bool { return e != nil && !e.inLine && e.n == 0 && e.left == 0 }

// last encodes the event that ends a watch with an error.
func (e *eventFrames) last(status *answer.Status) ([]byte, error) {
	object, err := json.Marshal(status)
	if err == nil && e.protobuf {
		object, err = protobufStatus(object)
	}
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	event := metav1.WatchEvent{Type: string(watch.Error), Object: runtime.RawExtension{Raw: object}}
	if !e.protobuf {
		b, err := json.Marshal(&event)
		if err != nil {
			return nil, fmt.Errorf("encode event: %w", err)
		}
		return append(b, '\n'), nil
	}
	b, err := event.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...), nil
}

// protobufPrefix begins every object that Kubernetes encodes as protobuf. A
// runtime.Unknown follows.
const protobufPrefix = "k8s\x00"

// protobufStatus encodes a Status, given as JSON, as Kubernetes does as protobuf.
func protobufStatus(encoded []byte) ([]byte, error) {
	var status metav1.Status
	if err := json.Unmarshal(encoded, &status); err != nil {
		return nil, err
	}
	raw, err := status.Marshal()
	if err != nil {
		return nil, err
	}
	b, err := (&runtime.Unknown{
		TypeMeta: runtime.TypeMeta{APIVersion: status.APIVersion, Kind: status.Kind}, Raw: raw,
	}).Marshal()
	if err != nil {
		return nil, err
	}
	return append([]byte(protobufPrefix), b...), nil
}
