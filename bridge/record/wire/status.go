package wire

import "encoding/json"

// failureStatus is a Status of Kubernetes, as the error channel carries it.
func failureStatus(reason string) []byte {
	b, err := json.Marshal(struct {
		Kind       string         `json:"kind"`
		APIVersion string         `json:"apiVersion"`
		Metadata   map[string]any `json:"metadata"`
		Status     string         `json:"status"`
		Reason     string         `json:"reason"`
		Message    string         `json:"message"`
		Code       int            `json:"code"`
	}{"Status", "v1", map[string]any{}, "Failure", "InternalError", reason, 500})
	if err != nil { // a string and numbers can always be encoded
		panic("wire: encode status: " + err.Error())
	}
	return b
}
