package dockerconfig

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

// kubeletKey is what the kubelet compares with names of images instead of the key of an
// entry; ok is false if it skips the entry.
func kubeletKey(key string) (match string, ok bool) {
	if !strings.HasPrefix(key, "https://") && !strings.HasPrefix(key, "http://") {
		key = "https://" + key
	}
	u, err := url.Parse(key)
	if err != nil {
		return "", false
	}
	path := u.Path
	if strings.HasPrefix(path, "/v2/") || strings.HasPrefix(path, "/v1/") {
		path = path[3:]
	}
	if path == "/" {
		path = ""
	}
	return u.Host + path, true
}

var (
	errNotBase64 = errors.New("not base64")
	errNoColon   = errors.New("no colon")
)

// decodeAuth reads the auth of an entry as the kubelet does.
func decodeAuth(auth string) (username, token string, err error) {
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(strings.TrimSpace(auth), "=") {
		encoding = base64.StdEncoding
	}
	b, err := encoding.DecodeString(auth)
	if err != nil {
		return "", "", errNotBase64 // the decoder's error says where: a length
	}
	username, token, ok := strings.Cut(string(b), ":")
	if !ok {
		return "", "", errNoColon
	}
	return username, token, nil
}

// encodeAuth is the auth of an entry, as kubectl and docker write it.
func encodeAuth(username, token string) string {
	return base64.StdEncoding.EncodeToString([]byte(username + ":" + token))
}
