package issuer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Paths of the endpoints that log people in.
const (
	PathAuthorize = "/authorize"
	PathToken     = "/token"
	PathDevice    = "/device"
	PathRevoke    = "/revoke"
)

// People logs in whoever asks, without a question, as the subject alice. Refresh
// tokens are good for one use. It is safe for concurrent use.
type People struct {
	issuer *Issuer
	client string

	mu       sync.Mutex // guards the rest
	codes    map[string]url.Values
	refresh  map[string]bool // whether it may still be used
	reused   int
	lifetime time.Duration
	claims   func(map[string]any)
	device   []string
	secrets  []string
	password string // the client's own; "": it is public
	method   string // in which the client must present it
}

// AddPeople adds endpoints for the browser flow, the device flow, refresh and
// revocation to an issuer, for one public client.
func (i *Issuer) AddPeople(client string) *People {
	p := &People{
		issuer: i, client: client, lifetime: time.Hour,
		codes: map[string]url.Values{}, refresh: map[string]bool{}, claims: func(map[string]any) {},
	}
	i.Handle(PathAuthorize, http.HandlerFunc(p.authorize))
	i.Handle(PathToken, http.HandlerFunc(p.token))
	i.Handle(PathDevice, http.HandlerFunc(p.startDevice))
	i.Handle(PathRevoke, http.HandlerFunc(p.revoke))
	i.SetMetadata("device_authorization_endpoint", i.URL()+PathDevice)
	i.SetMetadata("revocation_endpoint", i.URL()+PathRevoke)
	i.SetMetadata("scopes_supported", []string{"openid", "email", "offline_access"})
	return p
}

// SetLifetime sets how long ID tokens are good for from now on; at first an hour.
func (p *People) SetLifetime(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lifetime = d
}

// SetClaims has f change the claims of ID tokens from now on.
func (p *People) SetClaims(f func(map[string]any)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = f
}

// Ways in which a client presents its secret, as the discovery document names them.
const (
	SecretBasic = "client_secret_basic"
	SecretPost  = "client_secret_post"
)

// SetClientSecret makes the client a confidential one: it must present the secret at
// the token, device and revocation endpoints, in the way of method and in no other.
func (p *People) SetClientSecret(secret, method string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.password, p.method = secret, method
	p.secrets = append(p.secrets, secret)
	p.issuer.SetMetadata("token_endpoint_auth_methods_supported", []string{method})
}

// authenticated reports whether a request is of the client. The caller holds mu.
func (p *People) authenticated(r *http.Request) bool {
	id, secret, basic := r.BasicAuth()
	posted := r.PostFormValue("client_secret")
	switch {
	case p.method == SecretBasic:
		id, err := url.QueryUnescape(id) // RFC 6749, section 2.3.1
		plain, err2 := url.QueryUnescape(secret)
		return basic && posted == "" && err == nil && err2 == nil && id == p.client && plain == p.password
	default:
		return !basic && r.PostFormValue("client_id") == p.client && posted == p.password
	}
}

// SetDevice sets the errors with which the next polls of the device flow are
// answered, such as authorization_pending. After the last one the login succeeds.
func (p *People) SetDevice(errors ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.device = errors
}

// RevokeAll makes all refresh tokens useless.
func (p *People) RevokeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t := range p.refresh {
		p.refresh[t] = false
	}
}

// Usable returns how many refresh tokens are good, and how often one was presented
// that is not.
func (p *People) Usable() (good, refused int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ok := range p.refresh {
		if ok {
			good++
		}
	}
	return good, p.reused
}

// Secrets returns all codes and tokens that were given out.
func (p *People) Secrets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.secrets...)
}

// secret makes one. The caller holds mu.
func (p *People) secret(prefix string) string {
	s := prefix + rand.Text()
	p.secrets = append(p.secrets, s)
	return s
}

// authorize sends the browser back with a code at once.
func (p *People) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || back.Hostname() != "127.0.0.1" || q.Get("client_id") != p.client || q.Get("response_type") != "code" ||
		q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get("nonce") == "" {
		http.Error(w, "bad authorization request", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	code := p.secret("code-")
	p.codes[code] = q
	p.mu.Unlock()
	back.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.issuer.URL()}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// startDevice begins a device flow that is polled every second.
func (p *People) startDevice(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.authenticated(r) {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	if r.FormValue("client_id") != p.client || r.FormValue("code_challenge_method") != "S256" {
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_request"})
		return
	}
	code := p.secret("device-")
	p.codes[code] = r.Form
	reply(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": "ABCD-EFGH", "verification_uri": p.issuer.URL() + "/enter",
		"verification_uri_complete": p.issuer.URL() + "/enter?code=ABCD-EFGH", "expires_in": 60, "interval": 1,
	})
}

func (p *People) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.authenticated(r) {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	var nonce, fault string
	switch r.FormValue("grant_type") {
	case "authorization_code":
		nonce, fault = p.redeem(r, r.FormValue("code"))
	case "urn:ietf:params:oauth:grant-type:device_code":
		if len(p.device) > 0 {
			fault, p.device = p.device[0], p.device[1:]
		} else {
			_, fault = p.redeem(r, r.FormValue("device_code"))
		}
	case "refresh_token":
		if t := r.FormValue("refresh_token"); p.refresh[t] {
			p.refresh[t] = false
		} else {
			p.reused++
			fault = "invalid_grant"
		}
	default:
		fault = "unsupported_grant_type"
	}
	if fault != "" {
		reply(w, http.StatusBadRequest, map[string]any{"error": fault, "error_description": "the test says so"})
		return
	}
	p.grant(w, nonce)
}

// redeem takes a code once, from whoever made its challenge. The caller holds mu.
func (p *People) redeem(r *http.Request, code string) (nonce, fault string) {
	request, ok := p.codes[code]
	delete(p.codes, code)
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || request.Get("redirect_uri") != r.FormValue("redirect_uri") ||
		request.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return "", "invalid_grant"
	}
	return request.Get("nonce"), ""
}

// grant answers with tokens. The caller holds mu.
func (p *People) grant(w http.ResponseWriter, nonce string) {
	claims := map[string]any{"sub": "alice", "aud": p.client, "exp": time.Now().Add(p.lifetime).Unix(), "jti": rand.Text()}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	p.claims(claims)
	id, err := p.issuer.Mint(claims)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	p.secrets = append(p.secrets, id)
	refresh := p.secret("refresh-")
	p.refresh[refresh] = true
	reply(w, http.StatusOK, map[string]any{
		"access_token": p.secret("access-"), "token_type": "Bearer", "expires_in": 60,
		"refresh_token": refresh, "id_token": id,
	})
}

func (p *People) revoke(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.authenticated(r) {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	p.refresh[r.FormValue("token")] = false
}

func reply(w http.ResponseWriter, status int, v map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
