package bridge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// jitRig is a bridge with a grant that requires an approval, which leads may give.
type jitRig struct {
	*rig
	issuer *issuer.Issuer
	audit  *trail
}

func newJITRig(t testing.TB) *jitRig {
	t.Helper()
	return newJITRigWith(t, "{file: "+filepath.Join(t.TempDir(), "approvals.json")+"}", policy.Shared{})
}

// newJITRigWith keeps approvals as a section of the access file says.
func newJITRigWith(t testing.TB, approvals string, shared policy.Shared) *jitRig {
	t.Helper()
	i := issuer.ForTest(t)
	file := newAccessFile(t, i.Section("idp")+fmt.Sprintf(`approvals: %s
grants:
- {name: admin, clusters: [prod], when: ['"devs" in caller.groups'], requires: approval, maxDuration: 2h, as: {user: caller.name}}
- {name: leads, clusters: [prod], when: ['"leads" in caller.groups'], approves: [admin]}
`, approvals))
	file.shared = shared
	r, trail := auditRig(t, audit.Config{}, rigOptions{config: file.configure})
	return &jitRig{rig: r, issuer: i, audit: trail}
}

// as makes a request of a user with a group.
func (r *jitRig) as(user, group, method, path, body string) (*http.Response, string) {
	r.t.Helper()
	req := r.request(method, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+r.issuer.Token(r.t, user, group))
	return r.do(r.h1, req)
}

// Access is asked for, approved by somebody else, used, and ended with what runs.
func TestJustInTimeAccess(t *testing.T) {
	t.Parallel()
	r := newJITRig(t)
	arrived := make(chan struct{}, 10)
	r.agent("default", "prod", holder(arrived))
	const target, requests = "/k8s/clusters/prod/api/v1/namespaces/a/pods", "/v1/access-requests"
	res, body := r.as("dev", "devs", "GET", target, "")
	wantFailure(t, res, body, answer.ApprovalRequired)
	d := r.eventOf(t, r.audit, res.Header.Get("X-Request-Id"), "ResponseComplete")
	if d.Failure.Lock != "approval" || d.Grant != "admin" || d.Annotations["authorization.k8s.io/decision"] != "forbid" || d.ObjectRef == nil {
		t.Errorf("the event of what needs an approval: %+v", d)
	}

	res, body = r.as("dev", "devs", "POST", requests, `{"cluster":"prod","grant":"admin","reason":"INC-42","duration":"1h"}`)
	if res.StatusCode != 201 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	asked := decode[api.AccessRequest](t, body)
	if asked.State != "pending" || asked.Caller != "dev" || asked.Duration != "1h0m0s" {
		t.Errorf("asked: %s", body)
	}
	for user, want := range map[[2]string]int{{"dev", "devs"}: 1, {"lead", "leads"}: 1, {"someone", "devs"}: 0} {
		_, body := r.as(user[0], user[1], "GET", requests, "")
		if list := decode[api.AccessRequestList](t, body); len(list.AccessRequests) != want {
			t.Errorf("%s sees %s", user[0], body)
		}
	}
	for user, want := range map[[2]string]int{{"dev", "devs"}: 200, {"lead", "leads"}: 200, {"someone", "devs"}: 404} {
		res, body := r.as(user[0], user[1], "GET", requests+"/"+asked.ID, "")
		if res.StatusCode != want || want == 200 && decode[api.AccessRequest](t, body) != asked {
			t.Errorf("%s gets %d %s", user[0], res.StatusCode, body)
		}
	}
	approve := requests + "/" + asked.ID + "/approve"
	res, body = r.as("dev", "devs", "POST", approve, "")
	wantFailure(t, res, body, answer.ApprovalRequired)
	res, body = r.as("dev", "leads", "POST", approve, "") // who became a lead meanwhile
	wantFailure(t, res, body, answer.ApprovalRequired)
	res, body = r.as("someone", "devs", "POST", approve, "")
	wantFailure(t, res, body, answer.NotFound)
	res, body = r.as("lead", "leads", "POST", approve, `{"note":"go on"}`)
	if got := decode[api.AccessRequest](t, body); res.StatusCode != 200 || got.State != "approved" || got.DecidedBy != "lead" || got.Note != "go on" {
		t.Errorf("approved: %d %s", res.StatusCode, body)
	}
	event := r.eventOf(t, r.audit, res.Header.Get("X-Request-Id"), "ResponseComplete")
	for key, want := range map[string]string{
		"access-request": asked.ID, "access-request-caller": "dev", "access-request-grant": "admin", "access-request-reason": "INC-42", "access-request-state": "approved",
	} {
		if event.Annotations["fairlead.io/"+key] != want {
			t.Errorf("the approval's audit event has the annotations %v, want %s %q", event.Annotations, key, want)
		}
	}
	res, body = r.as("lead", "leads", "POST", approve, "")
	wantFailure(t, res, body, answer.Conflict)
	res, body = r.as("lead", "leads", "GET", target, "")
	wantFailure(t, res, body, answer.Forbidden)

	ended := make(chan string, 1)
	go func() {
		token, _ := r.issuer.Mint(map[string]any{"sub": "dev", "aud": "fairlead", "groups": []string{"devs"}})
		req := r.request("GET", "/k8s/clusters/prod/watch", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := r.h1.Do(req)
		if err != nil {
			ended <- err.Error()
			return
		}
		defer res.Body.Close()
		buf := make([]byte, 1<<10)
		for err == nil {
			_, err = res.Body.Read(buf)
		}
		ended <- fmt.Sprintf("%d, %v", res.StatusCode, err)
	}()
	select {
	case <-arrived:
	case how := <-ended:
		t.Fatalf("the watch ended: %s", how)
	}
	res, body = r.as("lead", "leads", "POST", requests+"/"+asked.ID+"/end", "")
	if res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	select {
	case how := <-ended:
		t.Log(how)
	case <-time.After(10 * time.Second):
		t.Error("a watch goes on after its approval")
	}
	res, body = r.as("dev", "devs", "GET", target, "")
	wantFailure(t, res, body, answer.ApprovalRequired)
}

// A list can be of one state, what has no effect is refused, and a caller who asks too
// often is told when it can ask again.
func TestAccessRequestsAnswerWhatIsAsked(t *testing.T) {
	t.Parallel()
	r := newJITRig(t)
	const requests = "/v1/access-requests"
	var id string
	for range 10 {
		res, body := r.as("dev", "devs", "POST", requests, `{"cluster":"prod","grant":"admin","reason":"x"}`)
		if res.StatusCode != http.StatusCreated {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		id = decode[api.AccessRequest](t, body).ID
	}
	res, body := r.as("dev", "devs", "POST", requests, `{"cluster":"prod","grant":"admin","reason":"x"}`)
	wantFailure(t, res, body, answer.RateLimited)
	// Nothing makes room before the first one has waited for a day.
	if wait := decode[api.Problem](t, body).RetryAfterSeconds; wait < 23*3600 || wait > 24*3600 {
		t.Errorf("try again after %d s: %s", wait, body)
	}
	res, body = r.as("dev", "devs", "POST", requests+"/"+id+"/end", `{"note":"done"}`)
	wantFailure(t, res, body, answer.BadRequest)
	if res, body = r.as("dev", "devs", "POST", requests+"/"+id+"/end", `{}`); res.StatusCode != http.StatusOK {
		t.Errorf("end: %d %s", res.StatusCode, body)
	}
	for state, want := range map[string]int{"pending": 9, "ended": 1, "approved": 0, "denied": 0} {
		_, body := r.as("dev", "devs", "GET", requests+"?state="+state, "")
		if list := decode[api.AccessRequestList](t, body); list.AccessRequests == nil || len(list.AccessRequests) != want {
			t.Errorf("%s: %s", state, body)
		}
	}
	for _, query := range []string{"?state=open", "?sate=pending", "?state=ended&state=pending"} {
		res, body := r.as("dev", "devs", "GET", requests+query, "")
		wantFailure(t, res, body, answer.BadRequest)
	}
	// One ended: it counts for ten minutes after it was made.
	res, body = r.as("dev", "devs", "POST", requests, `{"cluster":"prod","grant":"admin","reason":"x"}`)
	wantFailure(t, res, body, answer.RateLimited)
	if wait := decode[api.Problem](t, body).RetryAfterSeconds; wait < 500 || wait > 600 {
		t.Errorf("try again after %d s: %s", wait, body)
	}
}

func TestAccessRequestsThatAreBad(t *testing.T) {
	t.Parallel()
	r := newJITRig(t)
	const requests = "/v1/access-requests"
	for body, want := range map[string]*answer.Kind{
		`{"cluster":"prod","grant":"admin","reason":""}`:                    answer.BadRequest,
		`{"cluster":"prod","grant":"admin","reason":"x","duration":"3h"}`:   answer.BadRequest,
		`{"cluster":"prod","grant":"admin","reason":"x","duration":"soon"}`: answer.BadRequest,
		`{"cluster":"prod","grant":"leads","reason":"x"}`:                   answer.Forbidden,
		`{"cluster":"dev","grant":"admin","reason":"x"}`:                    answer.Forbidden,
		`{"cluster":"..","grant":"admin","reason":"x"}`:                     answer.BadClusterName,
		`{"cluster":"prod","grant":"admin","reason":"x","approved":true}`:   answer.BadRequest,
		``: answer.BadRequest,
	} {
		res, got := r.as("dev", "devs", "POST", requests, body)
		wantFailure(t, res, got, want)
	}
	for duration, want := range map[string]string{
		"0s": "want one between 1m and 168h, such as", "-1h": "want one between 1m and 168h, such as", "soon": "want one between 1m and 168h, such as",
		"30s": "30s is not between 1m and 168h",
	} {
		res, got := r.as("dev", "devs", "POST", requests, `{"cluster":"prod","grant":"admin","reason":"x","duration":"`+duration+`"}`)
		if res.StatusCode != 400 || !strings.Contains(got, "duration: "+want) {
			t.Errorf("%s: %d %s", duration, res.StatusCode, got)
		}
	}
	res, body := r.as("lead", "leads", "POST", requests+"/ar-none/approve", "")
	wantFailure(t, res, body, answer.NotFound)
	res, body = r.as("lead", "leads", "GET", requests+"/ar-none", "")
	wantFailure(t, res, body, answer.NotFound)
	res, body = r.as("dev", "devs", "POST", "/v1/clusters/prod/access-reviews", `{"path":"/api/v1/pods"}`)
	var review api.AccessReviewResult
	if err := json.Unmarshal([]byte(body), &review); err != nil || res.StatusCode != 200 || review.Allowed || review.Lock != "approval" {
		t.Errorf("a review: %d %s", res.StatusCode, body)
	}
	none := newRig(t, rigOptions{})
	res, body = none.do(none.h1, none.request("GET", requests, nil))
	wantFailure(t, res, body, answer.NotFound)
}

// What is denied gives no access, and is neither ended nor denied again.
func TestDeniedAccess(t *testing.T) {
	t.Parallel()
	r := newJITRig(t)
	r.agent("default", "prod", hello)
	res, body := r.as("dev", "devs", "POST", "/v1/access-requests", `{"cluster":"prod","grant":"admin","reason":"INC-43"}`)
	if res.StatusCode != 201 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	asked := "/v1/access-requests/" + decode[api.AccessRequest](t, body).ID
	res, body = r.as("someone", "devs", "POST", asked+"/deny", "")
	wantFailure(t, res, body, answer.NotFound)
	res, body = r.as("lead", "leads", "POST", asked+"/deny", `{"note":"tomorrow"}`)
	if got := decode[api.AccessRequest](t, body); res.StatusCode != 200 || got.State != "denied" || got.DecidedBy != "lead" || got.Note != "tomorrow" {
		t.Errorf("denied: %d %s", res.StatusCode, body)
	}
	for _, what := range []string{"/deny", "/end"} {
		res, body = r.as("lead", "leads", "POST", asked+what, "")
		wantFailure(t, res, body, answer.Conflict)
	}
	res, body = r.as("dev", "devs", "GET", "/k8s/clusters/prod/api", "")
	wantFailure(t, res, body, answer.ApprovalRequired)
}
