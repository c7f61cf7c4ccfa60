package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// ErrNoSession means that the user is not logged in to the bridge.
var ErrNoSession = errors.New("not logged in")

// Login says how people log in to a bridge.
type Login struct {
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"clientID"`
	Scopes   []string `json:"scopes,omitempty"`   // none: a default
	IssuerCA string   `json:"issuerCA,omitempty"` // file; "": the system's
	BridgeCA string   `json:"bridgeCA,omitempty"` // file; "": the system's
	// Where the client's secret is: in a file, or in a variable of the environment.
	// Neither: the client is public. The secret itself is never kept.
	SecretFile string `json:"secretFile,omitempty"`
	SecretEnv  string `json:"secretEnv,omitempty"`
}

// Settings are those of all bridges.
type Settings struct {
	// Current is the URL of the bridge of the last login.
	Current string           `json:"current"`
	Bridges map[string]Login `json:"bridges"` // by URL
}

// Session is what a login to a bridge has given. It holds credentials.
type Session struct {
	Bridge       string    `json:"bridge"` // its URL
	Login        Login     `json:"login"`
	Subject      string    `json:"subject"`
	IDToken      string    `json:"idToken"`
	RefreshToken string    `json:"refreshToken,omitempty"`
	Expires      time.Time `json:"expires"` // of IDToken
}

// Store is safe for concurrent use, by several processes too.
type Store struct {
	config, cache string // directories
}

// Open finds the user's directories. It makes nothing.
func Open() (*Store, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("find the configuration directory: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find the cache directory: %w", err)
	}
	return &Store{config: filepath.Join(config, "fairlead"), cache: filepath.Join(cache, "fairlead")}, nil
}

func (s *Store) settingsFile() string { return filepath.Join(s.config, "kubectl-fairlead.json") }

// sessionFile is named by a hash, as a URL is not a file name everywhere.
func (s *Store) sessionFile(bridge string) string {
	sum := sha256.Sum256([]byte(bridge))
	return filepath.Join(s.cache, "session-"+hex.EncodeToString(sum[:16])+".json")
}

// Settings returns the settings of all bridges; none before the first login.
func (s *Store) Settings() (Settings, error) {
	settings := Settings{Bridges: map[string]Login{}}
	err := read(s.settingsFile(), &settings)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return settings, err
}

// Remember keeps the settings of a bridge, and makes it the current one.
func (s *Store) Remember(ctx context.Context, bridge string, login Login) error {
	unlock, err := lock(ctx, s.settingsFile())
	if err != nil {
		return err
	}
	defer unlock()
	settings, err := s.Settings()
	if err != nil {
		return err
	}
	settings.Current = bridge
	settings.Bridges[bridge] = login
	return write(s.settingsFile(), settings)
}

// Lock keeps other processes from changing the session of a bridge, until unlock.
// It waits for them until ctx ends.
func (s *Store) Lock(ctx context.Context, bridge string) (unlock func(), err error) {
	return lock(ctx, s.sessionFile(bridge))
}

// Session returns the session of a bridge, or [ErrNoSession].
func (s *Store) Session(bridge string) (*Session, error) {
	var session Session
	err := read(s.sessionFile(bridge), &session)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, err
	}
	if session.Bridge != bridge {
		return nil, fmt.Errorf("%s: it is the session of %q", s.sessionFile(bridge), session.Bridge)
	}
	return &session, nil
}

// Save replaces the session of its bridge. The caller holds the lock of the bridge.
func (s *Store) Save(session *Session) error { return write(s.sessionFile(session.Bridge), session) }

// Delete removes the session of a bridge, if there is one. The caller holds the lock
// of the bridge.
func (s *Store) Delete(bridge string) error {
	if err := os.Remove(s.sessionFile(bridge)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// read decodes a file. Its errors quote nothing of what the file holds.
func read(file string, v any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if json.Unmarshal(b, v) != nil {
		return fmt.Errorf("%s is damaged: remove it and log in again", file)
	}
	return nil
}
