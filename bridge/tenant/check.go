package tenant

import (
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
)

// [Conn.Check] asks checkBatch instances at a time, with checkPause after it: 10,000 a second. Those
// of 10,000 that are due at a look are asked within an eighth of a second, and requests find
// their turn between them. After an outage all are due at once.
const (
	checkBatch = 100
	checkPause = 10 * time.Millisecond
)

// Check asks the broker whether instances are still connected, and the instances for a sign of
// life. The directory is told of the questions and of the answers. It does not wait, and keeps
// the slice. Where the last questions are still being sent, or none can be, the directory is told
// that these were not asked.
func (c *Conn) Check(all []directory.Silence) {
	if len(all) == 0 {
		return
	}
	if !c.checking.CompareAndSwap(false, true) {
		c.dir.Unasked(all...)
		return
	}
	if err := c.ask(func() {
		defer c.checking.Store(false)
		c.check(all)
	}); err != nil {
		c.checking.Store(false)
		c.dir.Unasked(all...)
	}
}

// check sends the questions, until the connection is being closed.
func (c *Conn) check(all []directory.Silence) {
	pause := time.NewTimer(checkPause)
	defer pause.Stop()
	for i, s := range all {
		if i > 0 && i%checkBatch == 0 {
			pause.Reset(checkPause)
			select {
			case <-pause.C:
			case <-c.connecting.Done():
				return
			}
		}
		c.dir.Asked(s) // before its answer
		if c.link.Check(s.Cluster, s.Instance) != nil {
			c.dir.Unasked(s)
		}
	}
}
