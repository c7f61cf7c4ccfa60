package bridge

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/bridge/tunnel/socket"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// A watch whose caller loses its token or its grant ends with an event that says
// why, in the encoding that the client asked for, as client-go decodes it.
func TestWatchSaysWhyItEnds(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]struct {
		clusters []string // of the token, nil: it is gone
		is       func(error) bool
		text     string
	}{
		"revoked":   {nil, apierrors.IsUnauthorized, "the credential was revoked"},
		"withdrawn": {[]string{"dev"}, apierrors.IsForbidden, "the grant was withdrawn"},
	} {
		for _, accept := range []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf, runtime.ContentTypeCBOR, "dynamic"} {
			for _, protocol := range []string{"http/1.1", "h2"} {
				t.Run(name+" "+accept+" "+protocol, func(t *testing.T) {
					t.Parallel()
					h := newWatchRig(t)
					w := h.watchPods(accept, protocol)
					if e := within(t, "an event comes", 5*time.Second, w.ResultChan()); e.Type != watch.Added {
						t.Fatalf("got %+v", e)
					}
					if after.clusters == nil {
						h.writeTokens()
					} else {
						h.writeTokens(caller{"watcher", h.hash, after.clusters})
					}
					e := within(t, "the watch ends", 5*time.Second, w.ResultChan())
					err := apierrors.FromObject(e.Object)
					if e.Type != watch.Error || !after.is(err) || !strings.Contains(err.Error(), after.text) {
						t.Errorf("got %s with %v", e.Type, err)
					}
					if e, more := <-w.ResultChan(); more {
						t.Errorf("after it came %+v", e)
					}
					h.eventually("the log has the reason, and nothing was aborted", func() bool {
						log := h.log.String()
						return strings.Contains(log, "revoked=\"the ") && !strings.Contains(log, "aborted=")
					})
				})
			}
		}
	}
}

// watchRig is a rig with a token of its own and an agent that serves watches.
type watchRig struct {
	*rig
	token, hash string
	cut         bool // an event is sent in part
}

func newWatchRig(t *testing.T) *watchRig {
	t.Helper()
	h := &watchRig{rig: newRig(t, rigOptions{})}
	h.agent("default", "prod", h.serve)
	h.token, h.hash = token.New()
	h.writeTokens(caller{"watcher", h.hash, []string{"*"}})
	h.eventually("the token is accepted", func() bool {
		req := h.request("GET", "/v1/clusters/prod", nil)
		req.Header.Set("Authorization", "Bearer "+h.token)
		res, _ := h.do(h.h1, req)
		return res.StatusCode == 200
	})
	return h
}

// serve answers a list of pods, and a watch of them with one event.
func (h *watchRig) serve(head *subjects.RequestHead, s *stream.Stream) {
	if !strings.Contains(head.Target, "watch") {
		reply(s, 200, `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[]}`, "Content-Type", "application/json")
		return
	}
	contentType, event := "application/json", encodeEvent(h.t, runtime.ContentTypeJSON)
	switch accept := head.Header.Get("Accept"); {
	case strings.HasPrefix(accept, runtime.ContentTypeProtobuf):
		contentType, event = runtime.ContentTypeProtobuf+";stream=watch", encodeEvent(h.t, runtime.ContentTypeProtobuf)
	case strings.HasPrefix(accept, runtime.ContentTypeCBOR):
		contentType, event = "application/cbor-seq", encodeEvent(h.t, runtime.ContentTypeCBOR)
	}
	if h.cut {
		event = event[:len(event)-3]
	}
	_, _ = s.Write(append(encodeHead(200, -1, "Content-Type", contentType), event...))
	_ = s.Flush()
	<-s.Context().Done()
}

// codecs are those of clients and API servers that have CBOR too.
var codecs = serializer.NewCodecFactory(scheme.Scheme, serializer.WithSerializer(cbor.NewSerializerInfo))

// encodeEvent encodes an event as an API server does.
func encodeEvent(t testing.TB, mediaType string) []byte {
	t.Helper()
	info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		t.Fatal("no serializer")
	}
	var object, event, framed bytes.Buffer
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-0", Namespace: "shop", ResourceVersion: "8"}}
	if err := codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion).Encode(pod, &object); err != nil {
		t.Fatal(err)
	}
	err := info.StreamSerializer.Encode(&metav1.WatchEvent{Type: string(watch.Added), Object: runtime.RawExtension{Raw: object.Bytes()}}, &event)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := info.StreamSerializer.Framer.NewFrameWriter(&framed).Write(event.Bytes()); err != nil {
		t.Fatal(err)
	}
	return framed.Bytes()
}

func (h *watchRig) config(accept, protocol string) *rest.Config {
	return &rest.Config{
		Host: h.url + "/k8s/clusters/prod", BearerToken: h.token,
		ContentConfig:   rest.ContentConfig{ContentType: accept, AcceptContentTypes: accept},
		TLSClientConfig: rest.TLSClientConfig{CAData: h.ca, NextProtos: []string{protocol}},
	}
}

func (h *watchRig) watchPods(accept, protocol string) watch.Interface {
	h.t.Helper()
	var w watch.Interface
	var err error
	switch accept {
	case "dynamic":
		client := dynamic.NewForConfigOrDie(h.config(runtime.ContentTypeJSON, protocol))
		w, err = client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace("shop").
			Watch(h.t.Context(), metav1.ListOptions{})
	case runtime.ContentTypeCBOR:
		cfg := h.config(accept, protocol)
		cfg.NegotiatedSerializer, cfg.GroupVersion, cfg.APIPath = codecs.WithoutConversion(), &corev1.SchemeGroupVersion, "/api"
		client, made := rest.RESTClientFor(cfg)
		if made != nil {
			h.t.Fatal(made)
		}
		w, err = client.Get().Namespace("shop").Resource("pods").Param("watch", "true").Watch(h.t.Context())
	default:
		client := kubernetes.NewForConfigOrDie(h.config(accept, protocol))
		w, err = client.CoreV1().Pods("shop").Watch(h.t.Context(), metav1.ListOptions{})
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(w.Stop)
	return w
}

// An informer logs the reason, and then asks again with growing pauses.
func TestInformerToldWhyDoesNotSpin(t *testing.T) {
	t.Parallel()
	h := newWatchRig(t)
	client := kubernetes.NewForConfigOrDie(h.config(runtime.ContentTypeJSON, "h2"))
	log, refused := &lockedBuffer{}, make(chan error, 1000)
	informer := cache.NewSharedInformer(cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", "shop", fields.Everything()), &corev1.Pod{}, 0)
	err := informer.SetWatchErrorHandler(func(_ *cache.Reflector, err error) { refused <- err })
	if err != nil {
		t.Fatal(err)
	}
	logger := textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(log)))
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), logger))
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		informer.RunWithContext(ctx)
	}()
	h.eventually("the informer has the pod", func() bool { return len(informer.GetStore().List()) == 1 })
	before := strings.Count(h.log.String(), "status=401")
	h.writeTokens()
	for range 2 {
		if err := within(t, "a list is refused", 20*time.Second, refused); !apierrors.IsUnauthorized(err) {
			t.Errorf("the informer got %v", err)
		}
	}
	cancel()
	<-ran
	if !strings.Contains(log.String(), "the credential was revoked") {
		t.Errorf("the informer logged %s", log)
	}
	if n := strings.Count(h.log.String(), "status=401") - before; n > 4 {
		t.Errorf("%d requests until the second list was refused: the informer spins", n)
	}
}

// A watch that cannot end with an event breaks, and one that ended well leaves a
// connection that serves other requests.
func TestWatchEndsBetweenEventsOnly(t *testing.T) {
	t.Parallel()
	for _, cut := range []bool{false, true} {
		h := newWatchRig(t)
		h.cut = cut
		c, br := h.raw(strings.ReplaceAll("GET /k8s/clusters/prod/api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n\r\n", "$TOKEN", h.token))
		res, err := http.ReadResponse(br, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("got %v, %v", res, err)
		}
		h.writeTokens()
		b, err := io.ReadAll(res.Body)
		if said := strings.Contains(string(b), "revoked"); said == cut || (err == nil) == cut {
			t.Errorf("event in part: %v: got %q, %v", cut, b, err)
		}
		if cut {
			continue
		}
		time.Sleep(2 * socket.Linger) // the response's deadline must not be the next one's
		if _, err := io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 200 {
			t.Errorf("the next request on the connection: %v, %v", res, err)
		}
	}
}
