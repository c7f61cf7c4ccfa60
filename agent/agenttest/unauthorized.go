package agenttest

import (
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// Unauthorized writes the API server's own 401 in an encoding.
func Unauthorized(t *testing.T, w http.ResponseWriter, mediaType string) {
	scheme := runtime.NewScheme()
	v1 := schema.GroupVersion{Version: "v1"}
	metav1.AddToGroupVersion(scheme, v1)
	codecs := serializer.NewCodecFactory(scheme)
	info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		t.Errorf("no encoding %s", mediaType)
		return
	}
	status := &metav1.Status{Status: metav1.StatusFailure, Message: "Unauthorized", Reason: metav1.StatusReasonUnauthorized, Code: 401}
	b, err := runtime.Encode(codecs.EncoderForVersion(info.Serializer, v1), status)
	if err != nil {
		t.Error(err)
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write(b)
}
