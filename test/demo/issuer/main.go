// Command issuer is an OpenID Connect issuer to try Fairlead with, where there is no
// other: docs/first-grant.md uses it. It logs in whoever asks, as alice, and signs
// whatever claims it is asked to, for everybody on this machine. Its keys and its CA are
// new at each start.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// maxClaims bounds the claims of a request in bytes: more than a bridge takes.
const maxClaims = 64 << 10

func main() {
	dir := flag.String("dir", ".", "`folder` for the certificate of its CA, issuer-ca.crt")
	listen := flag.String("listen", "127.0.0.1:8444", "`address` of this machine's loopback")
	client := flag.String("client-id", "kubectl", "`ID` of the client with which people log in")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, *dir, *listen, *client)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, dir, listen, client string) error {
	i, err := issuer.NewAt(dir, listen)
	if err != nil {
		return err
	}
	defer i.Stop()
	people := i.AddPeople(client)
	people.SetClaims(func(claims map[string]any) { claims["groups"] = []string{"developers"} })
	i.Handle("/mint", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mint(i, w, r) }))
	fmt.Printf("issuer %s is up; the CA of its certificate is %s\n", i.URL(), i.CAFile())
	<-ctx.Done()
	return nil
}

// mint answers a POST of claims, as JSON, with an ID token that has them.
func mint(i *issuer.Issuer, w http.ResponseWriter, r *http.Request) {
	var claims map[string]any
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxClaims)).Decode(&claims); err != nil {
		http.Error(w, "POST the claims as a JSON object", http.StatusBadRequest)
		return
	}
	token, err := i.Mint(claims)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, token)
}
