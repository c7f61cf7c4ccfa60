package dockerconfig

import "encoding/json"

// judgeEntry looks at the value of an entry, and whether the kubelet finds credentials in
// it.
func judgeEntry(v json.RawMessage) (usable bool, found []Finding) {
	var e struct {
		Username, Password, Email, Auth string
		IdentityToken, RegistryToken    json.RawMessage
	}
	if json.Unmarshal(v, &e) != nil {
		return false, []Finding{entryMalformed}
	}
	if !isEmpty(e.IdentityToken) || !isEmpty(e.RegistryToken) {
		found = append(found, identityToken)
	}
	username, token := e.Username, e.Password
	switch {
	case e.Auth != "":
		var err error
		if username, token, err = decodeAuth(e.Auth); err != nil {
			return false, append(found, whyUndecoded(e.Auth, err))
		}
		if e.Username != "" && e.Username != username || e.Password != "" && e.Password != token {
			found = append(found, authDisagrees)
		}
	case e.Username == "" && e.Password == "":
		return false, append(found, credentialsMissing)
	default:
		found = append(found, authMissing)
	}
	if username == "" {
		found = append(found, usernameMissing)
	}
	if token == "" {
		found = append(found, tokenMissing)
	}
	if isPadded(username) || isPadded(token) {
		found = append(found, whiteSpace)
	}
	return username != "" && token != "", found
}

func whyUndecoded(auth string, err error) Finding {
	if err == errNotBase64 {
		return authNotBase64
	}
	once, _ := decodeAny(auth)
	if twice, ok := decodeAny(string(once)); ok {
		for _, c := range twice {
			if c == ':' {
				return authDoubleEncoded
			}
		}
	}
	return authNoColon
}
