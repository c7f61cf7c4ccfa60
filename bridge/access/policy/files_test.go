package policy

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// folder is that of an access file, with files that it names.
func folder(t *testing.T) (dir string, write func(name, content string)) {
	t.Helper()
	dir = t.TempDir()
	i, err := issuer.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	i.Stop()
	write = func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca, err := os.ReadFile(i.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	write("ca.crt", string(ca))
	write("text", "hello\n")
	write("review.conf", "apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: 'https://a'}}]\ncontexts: [{name: a, context: {cluster: a}}]\ncurrent-context: a\n")
	return dir, write
}

// What the access file names is looked at, and what cannot be used is a fault with its
// line. All relative paths start from the folder of the access file.
func TestFilesThatTheAccessFileNames(t *testing.T) {
	dir, _ := folder(t)
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	const issuer = "authentication:\n  oidc:\n  - name: ci\n    issuer: https://ci\n    audiences: [a]\n    certificateAuthority: "
	const certs = "authentication:\n  clientCertificates:\n    certificateAuthority: "
	const review = "authentication:\n  tokenReview:\n    kubeconfig: "
	const stream = "audit:\n  jetStream:\n    servers: [tls://a:4222]\n    "
	for text, want := range map[string]string{
		issuer + "ca.crt":                     "",
		issuer + filepath.Join(dir, "ca.crt"): "",
		issuer + "ca.pem":                     "line 6: authentication.oidc[ci].certificateAuthority: there is no file DIR/ca.pem",
		issuer + "text":                       "line 6: authentication.oidc[ci].certificateAuthority: DIR/text: no PEM certificate in it",
		issuer + "sub":                        "line 6: authentication.oidc[ci].certificateAuthority: DIR/sub is a folder, not a file",
		certs + "none":                        "line 3: authentication.clientCertificates.certificateAuthority: there is no file DIR/none",
		certs + "ca.crt\n    forwarded:\n      header: client-cert\n      proxies:\n        commonNames: [p]\n        certificateAuthority: text": "line 8: authentication.clientCertificates.forwarded.proxies.certificateAuthority: DIR/text: no PEM certificate in it",
		review + "review.conf": "",
		review + "none":        "line 3: authentication.tokenReview.kubeconfig: there is no file DIR/none",
		review + "text":        "line 3: authentication.tokenReview.kubeconfig: DIR/text: not a kubeconfig",
		"authorization:\n  subjectAccessReview:\n    as: {agent: true}\n    kubeconfig: none": "line 4: authorization.subjectAccessReview.kubeconfig: there is no file DIR/none",
		"approvals: {file: sub/approvals.json}":                                               "",
		"approvals: {file: none/approvals.json}":                                              "line 1: approvals.file: there is no folder DIR/none; it is not created, as a volume that is not mounted must not look like an empty one",
		"approvals: {file: text}":                                                             "line 1: approvals.file: DIR/text: ",
		"approvals: {file: sub}":                                                              "line 1: approvals.file: DIR/sub is a folder, not a file",
		"recording: {directory: sub}":                                                         "",
		"recording: {directory: none}":                                                        "line 1: recording.directory: there is no folder DIR/none; it is",
		"recording: {directory: text}":                                                        "line 1: recording.directory: DIR/text is not a folder",
		"audit:\n  file: {path: sub/audit.log}":                                               "",
		"audit:\n  file: {path: none/audit.log}":                                              "line 2: audit.file.path: there is no folder DIR/none; it is",
		"audit:\n  file: {path: text/audit.log}":                                              "line 2: audit.file.path: DIR/text is not a folder",
		stream + "credentials: none":                                                          "line 4: audit.jetStream.credentials: there is no file DIR/none",
		stream + "credentials: text":                                                          "line 4: audit.jetStream.credentials: DIR/text: not a NATS credentials file: it lacks the JWT or the seed of a user",
		stream + "certificateAuthority: text":                                                 "line 4: audit.jetStream.certificateAuthority: DIR/text: no PEM certificate in it",
		"grants:\n- name: a\n  clusters: [b]\n  callers: anyone\n  requires: approval\n  as: {agent: true}": "line 5: grants[a].requires: the grant requires an approval, but there is neither approvals.file nor approvals.shared",
		"recording: {directory: none, inpt: true}\naudit:\n  file: {path: none/a}\n  stdou: true": "line 1: recording: unknown key \"inpt\": did you mean \"input\"?\n" +
			"line 1: recording.directory: there is no folder DIR/none; it is not created, as a volume that is not mounted must not look like an empty one\n" +
			"line 3: audit.file.path: there is no folder DIR/none; it is not created, as a volume that is not mounted must not look like an empty one\n" +
			"line 4: audit: unknown key \"stdou\": did you mean \"stdout\"?",
	} {
		_, err := Check([]byte(text), dir, false)
		got := ""
		if err != nil {
			got = strings.ReplaceAll(err.Error(), dir, "DIR")
		}
		if (got == "") != (want == "") || !strings.HasPrefix(got, want) || strings.Count(got, "\n") != strings.Count(want, "\n") {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
		if _, err := Check([]byte(text), dir, true); err != nil && !strings.Contains(want, "requires") && !strings.Contains(want, "unknown") {
			t.Errorf("%s\nelsewhere: %v", text, err)
		}
	}
}

// A running bridge reads relative paths as the check does, and says the line of what
// cannot be used.
func TestOpenReadsRelativePaths(t *testing.T) {
	dir, write := folder(t)
	file := filepath.Join(dir, "access.yaml")
	const text = "authentication:\n  oidc:\n  - name: ci\n    issuer: https://ci\n    audiences: [a]\n    certificateAuthority: "
	write("access.yaml", text+"ca.crt")
	p, err := Open(file, nil, Shared{}, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	write("access.yaml", text+"none")
	if _, err := Open(file, nil, Shared{}, nil, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "line 6: authentication.oidc[ci].certificateAuthority: there is no file "+dir+"/none") {
		t.Errorf("opened: %v", err)
	}
}
