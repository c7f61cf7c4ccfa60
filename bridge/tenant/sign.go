package tenant

// Sign signs data for a purpose with the bridges' key, whose holder can reach every
// tenant. Purposes keep a signature from counting for something else; none is the
// beginning of what NATS has signed with this key.
func (p *Pool) Sign(purpose string, data []byte) (signature []byte, err error) {
	return p.cfg.Key.Sign(signed(purpose, data))
}

// Signed reports whether data was signed for a purpose with the key that this bridge has.
func (p *Pool) Signed(purpose string, data, signature []byte) bool {
	return p.cfg.Key.Verify(signed(purpose, data), signature) == nil
}

func signed(purpose string, data []byte) []byte {
	return append([]byte(purpose+"\n"), data...)
}
