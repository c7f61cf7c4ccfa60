package store

import (
	"time"

	"github.com/fairlead-io/fairlead/bridge/mint"
)

// mint makes a user JWT with the permissions of role store.
func (s *Store) mint(user string) (string, error) {
	now := time.Now()
	token, err := mint.Role{Key: s.cfg.Key, Account: s.cfg.Account}.User(s.cfg.ID, user, now.Add(s.cfg.UserTTL))
	if err != nil {
		return "", err
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
