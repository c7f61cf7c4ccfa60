package wait

// Wakeup lets one goroutine wait for guarded state to change. Its channel is
// made when first waited for, which most streams never do. The caller of both
// methods holds the lock that guards the state.
type Wakeup struct{ token chan struct{} }

// Arm returns the channel on which a token comes once Wake is called.
func (w *Wakeup) Arm() <-chan struct{} {
	if w.token == nil {
		w.token = make(chan struct{}, 1)
	}
	return w.token
}

// Wake leaves a token for the goroutine that waits, if any ever has.
func (w *Wakeup) Wake() {
	if w.token != nil {
		Signal(w.token)
	}
}

// Signal leaves a token in c, which has room for one, unless there is one
// already. It never blocks.
func Signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
