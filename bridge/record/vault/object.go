package vault

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	prefix = "$O." + subjects.StoreRecordings
	// entryKey is the metadata that has the line of the index.
	entryKey = "fairlead-session"
)

func metaSubject(name string) string {
	return prefix + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}

// chunkSubject is that of the bytes of a recording: its id is the object's.
func chunkSubject(id string) string { return prefix + ".C." + id }

// aliveSubject is that of messages which say that the bridge of a recording still has its
// session. No object has the id.
func aliveSubject(id string) string { return chunkSubject(id) + "-alive" }

// object is what clients of object stores read about one. A digest is there once it is
// complete.
func object(e record.Entry, chunks uint32, digest string, deleted bool, now time.Time) ([]byte, error) {
	line, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return json.Marshal(jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{
			Name: e.File, Metadata: map[string]string{entryKey: string(line)},
			Opts: &jetstream.ObjectMetaOptions{ChunkSize: maxChunk},
		},
		Bucket: subjects.StoreRecordings, NUID: e.ID, Size: uint64(e.Bytes), ModTime: now.UTC(), Chunks: chunks, Digest: digest, Deleted: deleted,
	})
}

// parse reads what an object is. Those of other makers are not ours. Whoever has a
// bridge's key chooses what e says, but for the form of its id.
func parse(b []byte) (e record.Entry, deleted, ok bool) {
	var info jetstream.ObjectInfo
	if json.Unmarshal(b, &info) != nil || json.Unmarshal([]byte(info.Metadata[entryKey]), &e) != nil {
		return e, false, false
	}
	e.Foreign = false // that is for the reader to say
	return e, info.Deleted, e.ID == info.NUID && e.File == info.Name && e.File == e.ID+".cast" && record.ValidFile(e.File)
}
