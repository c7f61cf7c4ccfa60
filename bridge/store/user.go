package store

import (
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
)

// mint makes a user JWT with the permissions of role store.
func (s *Store) mint(user string) (string, error) {
	now := time.Now()
	claims := jwt.NewUserClaims(user)
	claims.Name = s.cfg.ID
	claims.IssuerAccount = s.cfg.Account
	claims.SetScoped(true)
	claims.Expires = now.Add(s.cfg.UserTTL).Unix()
	token, err := claims.Encode(s.cfg.Key)
	if err != nil {
		return "", fmt.Errorf("mint store user: %w", err)
	}
	s.minted.Store(now.Unix())
	return token, nil
}

// renew reconnects with a new user when five eighths of the user's time are over.
func (s *Store) renew() {
	t := time.NewTicker(s.cfg.UserTTL / 8)
	defer t.Stop()
	for {
		select {
		case <-s.done:
			return
		case now := <-t.C:
			if minted := s.minted.Load(); now.Sub(time.Unix(minted, 0)) < s.cfg.UserTTL*5/8 || !s.nc.IsConnected() {
				continue
			}
			if err := s.nc.ForceReconnect(); err != nil {
				s.log.Warn("user not renewed", "error", err)
			}
		}
	}
}
