package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestUnfinishedRestore: what a restore leaves that did not get to its end is in the way of
// the next one until it is deleted, which is what docs/store.md says.
func TestUnfinishedRestore(t *testing.T) {
	js := Start(t, 3).Admin(0)
	const nameInUse = 10130 // "stream name already in use, cannot restore"
	const request = `{"config": {"name": "` + subjects.StoreAudit + `", "subjects": ["a.>"], "storage": "file", "retention": "limits", "num_replicas": 3},
		"state": {"messages": 1, "bytes": 10, "first_seq": 1, "last_seq": 1}}`
	restore := func() (answer struct {
		Deliver string              `json:"deliver_subject"`
		Error   *jetstream.APIError `json:"error"`
	}) {
		t.Helper()
		m, err := js.Conn().Request("$JS.API.STREAM.RESTORE."+subjects.StoreAudit, []byte(request), 30*time.Second)
		if err == nil {
			err = json.Unmarshal(m.Data, &answer)
		}
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	eventually.True(t, "a restore that goes no further", func() bool { return restore().Deliver != "" })
	if a := restore(); a.Error == nil || a.Error.ErrorCode != nameInUse {
		t.Errorf("restore beside what is left: %+v, want that the name is in use", a)
	}
	if err := js.DeleteStream(t.Context(), subjects.StoreAudit); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "it can be restored again", func() bool { return restore().Deliver != "" })
}
