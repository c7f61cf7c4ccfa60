package parting

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor/direct"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// encoding is how events follow one another.
type encoding int

const (
	jsonLines    encoding = iota // each event is a line
	protobufs                    // each follows its length, as four bytes in network order
	cborSequence                 // each is an item
)

// Events follows the events of a watch's response, to know whether another event may
// be sent after them. A nil *Events knows nothing of them.
type Events struct {
	encoding encoding
	head     [4]byte // of the protobuf under way, as far as it has come
	n        int     // bytes of head
	left     uint32  // bytes of the protobuf that are still to come
	inLine   bool    // the last byte was not the end of a line
	items    items
}

// contentTypeCBOR is that of a watch in CBOR.
const contentTypeCBOR = "application/cbor-seq"

// NewEvents returns nil where the encoding, by the header of the response, is another
// one than JSON, protobuf and CBOR.
func NewEvents(h http.Header) *Events {
	if len(h["Content-Encoding"]) > 0 || len(h["Content-Type"]) != 1 {
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(h["Content-Type"][0])
	switch {
	case err != nil:
	case mediaType == runtime.ContentTypeJSON:
		return &Events{encoding: jsonLines}
	case mediaType == runtime.ContentTypeProtobuf && params["stream"] == "watch":
		return &Events{encoding: protobufs}
	case mediaType == contentTypeCBOR:
		return &Events{encoding: cborSequence}
	}
	return nil
}

// Pass notes bytes that were sent.
func (e *Events) Pass(b []byte) {
	switch {
	case e == nil || len(b) == 0:
	case e.encoding == jsonLines:
		e.inLine = b[len(b)-1] != '\n'
	case e.encoding == cborSequence:
		e.items.pass(b)
	default:
		e.passProtobuf(b)
	}
}

func (e *Events) passProtobuf(b []byte) {
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

// Between reports whether the last event has come to its end.
func (e *Events) Between() bool {
	return e != nil && !e.inLine && e.n == 0 && e.left == 0 && e.items.between()
}

// selfDescribed is the tag with which Kubernetes begins what it encodes as CBOR.
const selfDescribed = "\xd9\xd9\xf7"

// Last encodes the event that ends a watch with an error.
func (e *Events) Last(status *answer.Status) ([]byte, error) {
	object, err := json.Marshal(status)
	if err == nil && e.encoding == protobufs {
		object, err = protobufStatus(object)
	}
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	event := metav1.WatchEvent{Type: string(watch.Error), Object: runtime.RawExtension{Raw: object}}
	var b []byte
	switch e.encoding {
	case jsonLines:
		if b, err = json.Marshal(&event); err == nil {
			return append(b, '\n'), nil
		}
	case cborSequence: // which makes the JSON of the object CBOR too
		if b, err = direct.Marshal(&event); err == nil {
			return append([]byte(selfDescribed), b...), nil
		}
	case protobufs:
		if b, err = event.Marshal(); err == nil {
			return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...), nil
		}
	}
	return nil, fmt.Errorf("encode event: %w", err)
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
