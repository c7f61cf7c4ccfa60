package settings

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/subjects"
	wire "github.com/fairlead-io/fairlead/subjects/settings"
)

// document is a value of the bucket.
type document struct {
	Settings api.AgentSettings `json:"settings"`
	// Deleted: it is there to be sent to agents that use earlier ones.
	Deleted bool `json:"deleted,omitempty"`
	// By is the caller who wrote it, and At when, by the bridge's clock.
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// stored is a document as the bucket has it. It is never changed.
type stored struct {
	document
	ref      subjects.ClusterRef
	seq      uint64
	revision string
	message  []byte // for agents
}

// keyOf is the key of a cluster's document.
func keyOf(ref subjects.ClusterRef) string { return ref.Tenant + "." + ref.Cluster }

// read reads an entry of the bucket, which a newer version may have written, or somebody
// else. One that cannot be used is returned with the error, unless it is no cluster's.
func read(e kv.Entry) (*stored, error) {
	tenant, cluster, ok := strings.Cut(e.Key, ".")
	if !ok || subjects.CheckName(tenant) != nil || subjects.CheckName(cluster) != nil {
		return nil, fmt.Errorf("%.80q is not the key of a cluster", e.Key)
	}
	s := &stored{ref: subjects.ClusterRef{Tenant: tenant, Cluster: cluster}, seq: e.Revision, revision: revisionOf(e.Revision, e.Value)}
	err := s.decode(e.Value)
	if err != nil {
		return s, fmt.Errorf("settings of %s: %w", s.ref, err)
	}
	if s.Deleted {
		s.Settings = api.AgentSettings{}
	}
	if s.message, err = message(s.revision, &s.Settings); err != nil {
		return s, fmt.Errorf("settings of %s: %w", s.ref, err)
	}
	return s, nil
}

// decode reads a value of the bucket. A field of the settings that this version does not
// know is an error: agents would get what is left of them, and tell that they use all.
func (d *document) decode(value []byte) error {
	read := struct {
		*document
		Settings json.RawMessage `json:"settings"`
	}{document: d}
	if err := json.Unmarshal(value, &read); err != nil {
		return err
	}
	if len(read.Settings) == 0 {
		return nil
	}
	strict := json.NewDecoder(bytes.NewReader(read.Settings))
	strict.DisallowUnknownFields()
	return strict.Decode(&d.Settings)
}

// message checks settings, and returns the message for agents.
func message(revision string, s *api.AgentSettings) ([]byte, error) {
	w := &wire.Settings{Revision: revision, Labels: s.Labels}
	if l := s.LogLevel; l != nil {
		w.LogLevel = &wire.Level{Level: l.Level, Until: l.Until}
	}
	if l := s.Limits; l != nil {
		w.Limits = &wire.Limit{MaxStreams: l.MaxStreams}
	}
	if r := s.Restrict; r != nil {
		w.Restrict = &wire.Restriction{ReadOnly: r.ReadOnly, Exec: r.Exec, Secrets: r.Secrets}
	}
	if err := errors.Join(wire.CheckRevision(revision), w.Check()); err != nil {
		return nil, err
	}
	return wire.Append(nil, w)
}

// anyRevision is as long as any, for settings that have none yet.
var anyRevision = strings.Repeat("0", 20) + "-" + strings.Repeat("0", 8)

// check says what is wrong with settings that a caller sends, and leaves out what sets
// nothing.
func check(s *api.AgentSettings) error {
	if len(s.Labels) == 0 {
		s.Labels = nil
	}
	if s.Restrict != nil && *s.Restrict == (api.AgentRestrictions{}) {
		s.Restrict = nil
	}
	_, err := message(anyRevision, s)
	return err
}

// revisionOf names a value of the bucket: by where it is, and by its content, since another
// bucket may have another value there.
func revisionOf(seq uint64, value []byte) string {
	sum := sha256.Sum256(value)
	return strconv.FormatUint(seq, 10) + "-" + hex.EncodeToString(sum[:4])
}

// seqOf is where a revision says that it is; 0 for what is not a revision.
func seqOf(revision string) uint64 {
	seq, _, _ := strings.Cut(revision, "-")
	n, _ := strconv.ParseUint(seq, 10, 64)
	return n
}
