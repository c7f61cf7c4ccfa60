package mint

import (
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// A user is that of the bridge, ends, and brings no permissions of its own.
func TestUser(t *testing.T) {
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	owner, err := account.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	role, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	token, err := Role{Key: role, Account: owner}.User("b1", public, expires)
	if err != nil {
		t.Fatal(err)
	}
	c, err := jwt.DecodeUserClaims(token)
	if err != nil || c.Name != "b1" || c.IssuerAccount != owner || c.Subject != public || c.Expires != expires.Unix() || !c.HasEmptyPermissions() {
		t.Errorf("minted %+v, %v", c, err)
	}
	if _, err := (Role{Key: user, Account: owner}).User("b1", public, expires); err == nil {
		t.Error("a user's key has signed a user")
	}
}
