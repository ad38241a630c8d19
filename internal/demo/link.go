package demo

import (
	"context"
	"net"
	"sync"
	"time"
)

// A link is the network between one person's browser and one server: a relay of TCP bytes that can be cut.
// While it is cut nothing passes either way, no data and no close, as with a pulled cable: what the
// two sides send waits in the relay, as it would wait to be retransmitted, and arrives when the link is whole again.
type link struct {
	listener net.Listener
	target   func() string // address of the server now; empty while it is down

	mu    sync.Mutex
	whole chan struct{} // closed while bytes pass
	isCut bool
}

func newLink(listener net.Listener, target func() string) *link {
	l := &link{listener: listener, target: target, whole: make(chan struct{})}
	close(l.whole)
	return l
}

// cut stops all traffic, in silence. restore lets it pass again.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.isCut {
		l.isCut, l.whole = true, make(chan struct{})
	}
}

func (l *link) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		l.isCut = false
		close(l.whole)
	}
}

func (l *link) down() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isCut
}

// port is where the link listens.
func (l *link) port() int { return l.listener.Addr().(*net.TCPAddr).Port }

// serve relays until ctx is done, and returns when every connection is closed.
func (l *link) serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = l.listener.Close() })
	defer stop()
	var group sync.WaitGroup
	defer group.Wait()
	for {
		near, err := l.listener.Accept()
		if ctx.Err() != nil {
			return
		}
		if err != nil { // out of files, say: the listener itself is still good
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		group.Go(func() { l.relay(ctx, near) })
	}
}

// relay joins a browser's connection to a new one to the server. A server that is down shows as a refused connection.
func (l *link) relay(ctx context.Context, near net.Conn) {
	defer func() { _ = near.Close() }()
	if l.wait(ctx) != nil {
		return
	}
	far, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", l.target())
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = near.Close(); _ = far.Close() })
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { l.pump(ctx, near, far) })
	group.Go(func() { l.pump(ctx, far, near) })
	group.Wait()
}

// pump moves bytes from one side to the other, and its end too, but only while the link is whole.
func (l *link) pump(ctx context.Context, from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if l.wait(ctx) != nil {
			return
		}
		if n > 0 {
			if _, werr := to.Write(buffer[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			_ = from.Close()
			_ = to.Close()
			return
		}
	}
}

func (l *link) wait(ctx context.Context) error {
	l.mu.Lock()
	whole := l.whole
	l.mu.Unlock()
	select {
	case <-whole:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
