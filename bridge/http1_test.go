package bridge

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestPipelinedRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		b, _ := io.ReadAll(s)
		reply(s, 200, head.Target+string(b))
	})
	const auth = " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n"
	big := strings.Repeat("y", 40_000) // uploaded beside its response
	_, br := r.raw("GET /k8s/clusters/prod/1" + auth + "\r\n" +
		"POST /k8s/clusters/prod/2" + auth + "Content-Length: 3\r\n\r\nabc" +
		"POST /k8s/clusters/prod/3" + auth + "Content-Length: 40000\r\n\r\n" + big +
		"POST /k8s/clusters/prod/4" + auth + "Transfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n" +
		"GET /k8s/clusters/prod/5" + auth + "\r\n")
	for i, want := range []string{"/1", "/2abc", "/3" + big, "/4def", "/5"} {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("response %d: %v", i+1, err)
		}
		if b, err := io.ReadAll(res.Body); err != nil || string(b) != want {
			t.Fatalf("response %d: %.40q, %v, want %.40q", i+1, b, err, want)
		}
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", echoBody)
	for _, n := range []int{5, 50_000} {
		c, br := r.raw("POST /k8s/clusters/prod/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nExpect: 100-continue\r\nContent-Length: " +
			strconv.Itoa(n) + "\r\n\r\n")
		res, err := http.ReadResponse(br, nil)
		if err != nil || res.StatusCode != 100 {
			t.Fatalf("got %v, %v, want a 100", res, err)
		}
		if _, err := io.WriteString(c, strings.Repeat("x", n)); err != nil {
			t.Fatal(err)
		}
		res, err = http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); err != nil || len(b) != n {
			t.Errorf("%d bytes, %v, want %d", len(b), err, n)
		}
	}
}
