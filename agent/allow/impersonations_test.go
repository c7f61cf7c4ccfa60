package allow

import (
	"slices"
	"testing"
)

func TestImpersonations(t *testing.T) {
	list, err := Parse([]byte(`
as:
  users: [jane, "gitlab:*", "ci:*"]
  groups: [developers]
  serviceAccounts: [shop/web, "shop/*", "team-*/bot"]
  uids: [u-1]
  extra: {example.com/job: ["*"]}
`), "")
	if err != nil {
		t.Fatal(err)
	}
	want := []Impersonation{
		{Resource: "users", Name: "jane"}, {Resource: "users"}, {Resource: "groups", Name: "developers"},
		{Resource: "serviceaccounts", Namespace: "shop", Name: "web"}, {Resource: "serviceaccounts", Namespace: "shop"},
		{Resource: "serviceaccounts", Name: "bot"},
		{Group: "authentication.k8s.io", Resource: "uids", Name: "u-1"},
		{Group: "authentication.k8s.io", Resource: "userextras", Subresource: "example.com/job"},
	}
	if got := list.Impersonations(); !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if list, err = Parse([]byte("readOnly: true"), ""); err != nil || list.Impersonations() != nil {
		t.Errorf("without identities: %v, %v", err, list.Impersonations())
	}
}
