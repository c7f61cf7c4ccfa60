package webhook_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/fairlead-io/fairlead/bridge/client/webhook"
)

func ExampleParse() {
	secret, err := os.ReadFile("/etc/fairlead-webhook/secret")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /fairlead", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
		if err != nil {
			return
		}
		event, err := webhook.Parse(string(secret), r.Header, body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		fmt.Println(event.ID, event.Type, event.Name) // it may have come before: keep the ID
		w.WriteHeader(http.StatusNoContent)
	})
}
