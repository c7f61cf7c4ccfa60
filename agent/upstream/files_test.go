package upstream

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// TestCertificatesAreFollowed: operators learn when the certificates towards the API
// server expire, whether they are files or in the kubeconfig itself.
func TestCertificatesAreFollowed(t *testing.T) {
	ca := testca.New(t, "kubernetes")
	client := ca.Client("agent", nil, nil)
	der, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	dir := t.TempDir()
	for name, content := range map[string][]byte{"ca": ca.PEM(), "cert": testca.PEM(client), "key": key} {
		agenttest.WriteFile(t, filepath.Join(dir, name), string(content))
	}
	for name, c := range map[string]rest.TLSClientConfig{
		"files":  {CAFile: dir + "/ca", CertFile: dir + "/cert", KeyFile: dir + "/key"},
		"inline": {CAData: ca.PEM(), CertData: testca.PEM(client), KeyData: key},
	} {
		u, err := New(&rest.Config{Host: "https://api.invalid", TLSClientConfig: c}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		var got []string
		for _, f := range u.Files() {
			f.Poll()
			first := f.Status().Certificates[0]
			got = append(got, fmt.Sprint(f.Name, " ", first.Subject, " ", first.CA, " ", first.NotAfter.Equal(client.Leaf.NotAfter) != first.CA))
		}
		if want := "[api-server-ca kubernetes true true api-server-client-cert agent false true]"; fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}
