package call

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// Group runs parts of one HTTP request of the platform API in goroutines of their own. A
// panic in one of them breaks off that request, as one in its handler does: by itself it
// would end the process, and every other request with it. The zero value is ready for use.
type Group struct {
	running sync.WaitGroup
	first   sync.Once
	why     string // of the first panic, with its stack; "": there was none
}

// Go calls f in a goroutine.
func (g *Group) Go(f func()) {
	g.running.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				g.first.Do(func() { g.why = fmt.Sprintf("%v\n%s", v, debug.Stack()) })
			}
		}()
		f()
	})
}

// Wait waits until all have returned, and panics if one of them has.
func (g *Group) Wait() {
	g.running.Wait()
	if g.why != "" {
		panic(g.why)
	}
}
