package terminal

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
	"k8s.io/client-go/tools/remotecommand"
)

// Terminal is the user's, in raw mode: what is typed goes on as it is, ^C among it.
type Terminal struct {
	in    *os.File
	state *term.State
	sizes chan remotecommand.TerminalSize
	done  chan struct{}
	once  sync.Once
	ended sync.WaitGroup
}

// ErrNone says that input or output is not a terminal.
var ErrNone = errors.New("not a terminal")

// Open makes the terminal of in raw, and follows the size of that of out.
func Open(in io.Reader, out io.Writer) (*Terminal, error) {
	i, ok := in.(*os.File)
	o, same := out.(*os.File)
	if !ok || !same || !term.IsTerminal(int(i.Fd())) || !term.IsTerminal(int(o.Fd())) {
		return nil, ErrNone
	}
	state, err := term.MakeRaw(int(i.Fd()))
	if err != nil {
		return nil, err
	}
	t := &Terminal{in: i, state: state, sizes: make(chan remotecommand.TerminalSize, 1), done: make(chan struct{})}
	changed, stop := watchSize()
	t.ended.Go(func() {
		defer stop()
		t.follow(int(o.Fd()), changed)
	})
	return t, nil
}

// follow passes on the size, at first and whenever it may have changed.
func (t *Terminal) follow(fd int, changed <-chan struct{}) {
	var last remotecommand.TerminalSize
	for {
		if w, h, err := term.GetSize(fd); err == nil {
			if size := (remotecommand.TerminalSize{Width: uint16(w), Height: uint16(h)}); size != last {
				select {
				case <-t.sizes: // nobody took it
				default:
				}
				t.sizes <- size
				last = size
			}
		}
		select {
		case <-changed:
		case <-t.done:
			return
		}
	}
}

// Next implements [remotecommand.TerminalSizeQueue]: it returns nil when the terminal was
// given back.
func (t *Terminal) Next() *remotecommand.TerminalSize {
	select {
	case size := <-t.sizes:
		return &size
	case <-t.done:
		return nil
	}
}

// Close gives the terminal back. It may be called more than once.
func (t *Terminal) Close() (err error) {
	t.once.Do(func() {
		close(t.done)
		t.ended.Wait()
		err = term.Restore(int(t.in.Fd()), t.state)
	})
	return err
}
