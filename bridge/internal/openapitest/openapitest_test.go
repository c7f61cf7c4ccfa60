package openapitest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const small = `
openapi: 3.1.0
info: {title: test, version: v1}
paths:
  /v1/things/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string, pattern: "^[a-z]+$"}}
    get:
      parameters:
        - {name: limit, in: query, schema: {type: integer, minimum: 1}}
      responses:
        "200":
          description: ok
          headers:
            Age: {required: true, schema: {type: integer}}
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Thing"}
            application/x-ndjson:
              schema: {$ref: "#/components/schemas/Thing"}
            text/event-stream:
              schema: {$ref: "#/components/schemas/Thing"}
        default: {$ref: "#/components/responses/Problem"}
    put:
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Thing"}
      responses:
        "204": {description: done}
components:
  responses:
    Problem:
      description: it failed
      content:
        application/problem+json:
          schema: {type: object, required: [code], additionalProperties: true}
  schemas:
    Thing:
      type: object
      required: [name]
      properties:
        name: {type: string}
        at: {type: string, format: date-time}
        parts:
          type: array
          items: {allOf: [{$ref: "#/components/schemas/Part"}, {properties: {size: {type: integer}}}]}
    Part:
      type: object
      additionalProperties: true
      properties: {kind: {enum: [a, b]}}
`

// answer is what a server says to one request.
type answer struct {
	method, target, sent string
	status               int
	header, body         string // header: "Name: value" lines
}

// faults makes one exchange, and returns what was reported.
func faults(t *testing.T, doc *Document, a answer) []string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		for line := range strings.Lines(a.header) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	defer srv.Close()
	var got []string
	c := http.Client{Transport: doc.Transport(http.DefaultTransport, func(f string) { got = append(got, f) })}
	defer c.CloseIdleConnections()
	var sent io.Reader
	if a.sent != "" {
		sent = strings.NewReader(a.sent)
	}
	req, err := http.NewRequestWithContext(t.Context(), a.method, srv.URL+a.target, sent)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if want := a.body; err != nil || string(read) != want && a.method != "HEAD" {
		t.Errorf("read %q, %v: want %q", read, err, want)
	}
	return got
}

const (
	isJSON    = "Content-Type: application/json\nAge: 3"
	isLines   = "Content-Type: application/x-ndjson\nAge: 3"
	isEvents  = "Content-Type: text/event-stream\nAge: 3"
	isProblem = "Content-Type: application/problem+json\nFairlead-Error: no\nX-Request-Id: 1"
	problem   = `{"type":"urn:fairlead:error:no","code":"no","status":404,"requestId":"1"}`
	thing     = `{"name":"x"}`
)

func TestExchanges(t *testing.T) {
	doc, err := Load([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		answer
		fault string // "": none
	}{
		"right":                    {answer{"GET", "/v1/things/a?limit=3", "", 200, isJSON, `{"name":"x","at":"2026-01-02T03:04:05Z","parts":[{"kind":"a","size":1,"more":1}]}`}, ""},
		"head":                     {answer{"HEAD", "/v1/things/a", "", 200, isJSON, ""}, ""},
		"lines":                    {answer{"GET", "/v1/things/a", "", 200, isLines, thing + "\n" + thing + "\n"}, ""},
		"events":                   {answer{"GET", "/v1/things/a", "", 200, isEvents, ": hello\n\nid: 1\nevent: e\ndata: {\"name\":\ndata: \"x\"}\n\n"}, ""},
		"problem":                  {answer{"GET", "/v1/things/a", "", 404, isProblem, problem}, ""},
		"no content":               {answer{"PUT", "/v1/things/a", thing, 204, "", ""}, ""},
		"of nowhere":               {answer{"GET", "/v1/nothing", "", 404, isProblem, problem}, ""},
		"of another method":        {answer{"DELETE", "/v1/things/a", "", 404, isProblem, problem}, ""},
		"not the API":              {answer{"GET", "/other", "", 200, isJSON, "?"}, ""},
		"passed on":                {answer{"GET", "/k8s/clusters/x/api", "", 200, isJSON, "?"}, ""},
		"bad request, refused":     {answer{"PUT", "/v1/things/A", "{}", 404, isProblem, problem}, "the status is not described"},
		"bad body":                 {answer{"GET", "/v1/things/a", "", 200, isJSON, `{}`}, "missing property 'name'"},
		"not JSON":                 {answer{"GET", "/v1/things/a", "", 200, isJSON, `{`}, "not as described"},
		"unnamed property":         {answer{"GET", "/v1/things/a", "", 200, isJSON, `{"name":"x","more":1}`}, "false schema"},
		"bad format":               {answer{"GET", "/v1/things/a", "", 200, isJSON, `{"name":"x","at":"today"}`}, "date-time"},
		"bad header":               {answer{"GET", "/v1/things/a", "", 200, "Content-Type: application/json\nAge: old", thing}, "header Age"},
		"no header":                {answer{"GET", "/v1/things/a", "", 200, "Content-Type: application/json", thing}, "lacks header Age"},
		"other type":               {answer{"GET", "/v1/things/a", "", 200, "Content-Type: text/plain\nAge: 3", thing}, "content type"},
		"other status":             {answer{"GET", "/v1/things/a", "", 202, isJSON, thing}, "status is not described"},
		"bad line":                 {answer{"GET", "/v1/things/a", "", 200, isLines, thing + "\n{}\n"}, "an item"},
		"half a line":              {answer{"GET", "/v1/things/a", "", 200, isLines, thing + "\n" + thing}, "the last line"},
		"bad event":                {answer{"GET", "/v1/things/a", "", 200, isEvents, "data: {}\n\n"}, "an item"},
		"body where none is":       {answer{"GET", "/v1/things/a", "", 404, isProblem, `{"type":"urn:fairlead:error:other","code":"no"}`}, "does not end with"},
		"undescribed path":         {answer{"GET", "/v1/nothing", "", 200, isJSON, thing}, "neither path nor method"},
		"undescribed method":       {answer{"DELETE", "/v1/things/a", "", 200, isJSON, thing}, "neither path nor method"},
		"accepted query":           {answer{"GET", "/v1/things/a?limit=0", "", 200, isJSON, thing}, "query parameter limit"},
		"accepted unknown query":   {answer{"GET", "/v1/things/a?x=0", "", 200, isJSON, thing}, "query parameter x"},
		"accepted path":            {answer{"GET", "/v1/things/A", "", 200, isJSON, thing}, "path parameter {id}"},
		"accepted body":            {answer{"PUT", "/v1/things/a", "{}", 204, "", ""}, "body is not as described"},
		"accepted without a body":  {answer{"PUT", "/v1/things/a", "", 204, "", ""}, "without a body"},
		"accepted needless a body": {answer{"GET", "/v1/things/a", "{}", 200, isJSON, thing}, "with a body"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(faults(t, doc, tt.answer), "\n")
			if (got == "") != (tt.fault == "") || !strings.Contains(got, tt.fault) {
				t.Errorf("reported %q, want %q", got, tt.fault)
			}
		})
	}
}

func TestUnseen(t *testing.T) {
	doc, err := Load([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	faults(t, doc, answer{"GET", "/v1/things/a", "", 200, isJSON, thing})
	got := doc.Unseen(map[string]string{"GET /v1/things/{id} 200": "why", "GET /v1/things/{id} 201": "why", "PUT /v1/things/{id} 204": "why"})
	want := []string{
		"GET /v1/things/{id} 200 is excused, though a test has seen it",
		"GET /v1/things/{id} 201 is excused, but not described",
		"no test has seen GET /v1/things/{id} default",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestBadDocuments(t *testing.T) {
	for name, tt := range map[string]struct{ from, to, fault string }{
		"version":   {"3.1.0", "3.0.3", "not 3.1"},
		"unknown":   {"      parameters:\n        - {name: limit", "      parametres: []\n      parameters:\n        - {name: limit", "parametres"},
		"no schema": {"description: done", "descriptions: done", "description"},
		"type":      {"{type: integer, minimum: 1}", "{type: int}", "int"},
		"dangling":  {"{$ref: \"#/components/schemas/Part\"}", "{$ref: \"#/components/schemas/Parts\"}", "Parts"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(small, tt.from, tt.to, 1)
			if text == small {
				t.Fatal("nothing was replaced")
			}
			if _, err := Load([]byte(text)); err == nil || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%v, want %q", err, tt.fault)
			}
		})
	}
}

// TestPlatformAPI: the description that the bridge serves is valid.
func TestPlatformAPI(t *testing.T) {
	text, err := os.ReadFile("../../platform/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(text); err != nil {
		t.Error(err)
	}
}
