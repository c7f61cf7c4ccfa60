package policy

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// TestFollowedFiles: the files that the version in use names are told by their keys, with
// their certificates, also those in a kubeconfig, and no longer once it is replaced.
func TestFollowedFiles(t *testing.T) {
	r := newRig(t)
	ca := testca.New(t, "of a service")
	bundle := testca.WriteFile(t, ca)
	kubeconfig := func(cluster string) string {
		file := filepath.Join(t.TempDir(), "kubeconfig")
		content := "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: c}}], clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', " + cluster + "}}]}"
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	inline := kubeconfig("certificate-authority-data: " + base64.StdEncoding.EncodeToString(ca.PEM()))
	text := r.issuers() + fmt.Sprintf("  tokenReview: {kubeconfig: %q}\n  clientCertificates: {certificateAuthority: %q, forwarded: {header: Client-Cert, proxies: {certificateAuthority: %q, commonNames: [p]}}}\n"+
		"authorization: {subjectAccessReview: {kubeconfig: %q, as: {agent: true}}}\ngrants: []\n",
		inline, bundle, testca.WriteFile(t, ca), kubeconfig(fmt.Sprintf("certificate-authority: %q", bundle)))
	apply := func(text string) (names []string) {
		t.Helper()
		c, err := parse(text)
		if err == nil {
			err = r.policy.apply(c)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.policy.Files() {
			f.Poll()
			if s := f.Status(); s.Refused != nil || s.Read.IsZero() {
				t.Errorf("%s: %+v", f.Name, s)
			} else if (len(s.Certificates) == 1) == strings.HasSuffix(f.Name, "subjectAccessReview.kubeconfig") {
				t.Errorf("%s has certificates %+v", f.Name, s.Certificates)
			}
			names = append(names, f.Name)
		}
		slices.Sort(names)
		return names
	}
	want := []string{
		"authentication.clientCertificates.certificateAuthority",
		"authentication.clientCertificates.forwarded.proxies.certificateAuthority",
		"authentication.oidc[ci].certificateAuthority",
		"authentication.tokenReview.kubeconfig",
		"authorization.subjectAccessReview.kubeconfig",
		"authorization.subjectAccessReview.kubeconfig.certificate-authority",
	}
	if got := apply(text); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := apply(r.issuers() + "grants: []\n"); !slices.Equal(got, want[2:3]) {
		t.Errorf("after a reload: %q", got)
	}
}
