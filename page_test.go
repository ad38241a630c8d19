package editlock_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
)

// page is a page of a browser as the server sees it: it answers heartbeats, confirms grants, comes back with its
// session. It lives in a bubble of virtual time.
type page struct {
	t    *testing.T
	user editlock.User

	mu      sync.Mutex
	conn    *editlock.Conn
	epoch   int64
	nonce   int
	last    map[string]editlock.Snapshot
	ended   []editlock.Ended
	grants  int   // snapshots with a grant that was not seen before
	granted int64 // its fence
	closed  error
	absent  bool // it does not confirm
	stop    context.CancelFunc

	confirmed  int64 // the fence that it has confirmed on this connection
	connecting bool
	early      []editlock.Snapshot // what it was told meanwhile
}

func newPage(t *testing.T, m *editlock.Manager, id, name string) *page {
	t.Helper()
	p := &page{t: t, user: editlock.User{ID: id, Name: name}, last: map[string]editlock.Snapshot{}}
	if err := p.connect(m, nil); err != nil {
		t.Fatalf("%s connects: %v", name, err)
	}
	return p
}

// connect opens a connection, as a new session or with a resume, and starts to answer heartbeats.
func (p *page) connect(m *editlock.Manager, resume *editlock.Resume) error {
	p.mu.Lock()
	p.nonce++
	nonce := fmt.Sprint(p.user.ID, p.nonce)
	p.closed, p.connecting = nil, true
	p.mu.Unlock()
	c, err := m.Connect(p.t.Context(), editlock.Connect{
		User: p.user, Resume: resume, Nonce: nonce, Notify: p.notify, Closed: p.onClosed,
	})
	p.mu.Lock()
	early := p.early
	p.connecting, p.early, p.confirmed = false, nil, 0
	if err == nil {
		p.conn, p.epoch = c, c.Epoch()
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	for _, s := range append(c.Snapshots(), early...) {
		p.notify(s)
	}
	ctx, stop := context.WithCancel(p.t.Context())
	p.stop = stop
	p.t.Cleanup(stop)
	go func() {
		tick := time.NewTicker(m.Config().Heartbeat())
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				c.Heard()
			}
		}
	}()
	return nil
}

// back resumes the session of the page.
func (p *page) back(m *editlock.Manager) error {
	return p.connect(m, &editlock.Resume{Session: p.conn.Session(), Epoch: p.epoch})
}

// silent lets the page vanish without a word: no pong, no close.
func (p *page) silent() { p.stop() }

// cut closes the connection without a bye.
func (p *page) cut() { p.stop(); p.conn.Disconnect() }

// leave says bye, as a page that is closed.
func (p *page) leave() {
	p.t.Helper()
	if err := p.conn.Bye(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	p.cut()
}

func (p *page) notify(s editlock.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.connecting { // it may be told before it knows its connection
		p.early = append(p.early, s)
		return
	}
	if s.Revision < p.last[s.Resource].Revision {
		return
	}
	p.last[s.Resource] = s
	if s.Ended != nil {
		p.ended = append(p.ended, *s.Ended)
	}
	if s.Mine.State != editlock.MineGranted {
		return
	}
	if s.Mine.Fence != p.granted {
		p.granted = s.Mine.Fence
		p.grants++
	}
	if s.Mine.Fence != p.confirmed && !p.absent {
		p.confirmed = s.Mine.Fence
		c := p.conn
		go func() {
			if s, err := c.Confirm(p.t.Context(), s.Resource, s.Mine.Fence); err == nil {
				p.notify(s)
			}
		}()
	}
}

func (p *page) onClosed(err error) {
	p.mu.Lock()
	p.closed = err
	p.mu.Unlock()
}

// ask acquires, and returns where that leaves the page.
func (p *page) ask(resource string) editlock.Mine {
	p.t.Helper()
	s, err := p.conn.Acquire(p.t.Context(), editlock.Request{Resource: resource})
	if err != nil {
		p.t.Fatalf("%s asks for %s: %v", p.user.Name, resource, err)
	}
	p.notify(s)
	settle()
	return p.mine(resource)
}

func (p *page) mine(resource string) editlock.Mine { return p.now(resource).Mine }

// now is the last snapshot that the page has of a resource.
func (p *page) now(resource string) editlock.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[resource]
}

func (p *page) why() (ended []editlock.Ended) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append(ended, p.ended...)
}

func (p *page) wasClosed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// holds fails the test unless the page holds, confirmed, and returns its fence.
func (p *page) holds(resource string) int64 {
	p.t.Helper()
	settle()
	mine := p.mine(resource)
	if mine.State != editlock.MineHeld {
		p.t.Fatalf("%s should hold %s, but is %q: %+v", p.user.Name, resource, mine.State, p.now(resource))
	}
	return mine.Fence
}

// waits fails the test unless the page waits at the position.
func (p *page) waits(resource string, position int) {
	p.t.Helper()
	settle()
	if mine := p.mine(resource); mine.State != editlock.MineWaiting || mine.Position != position {
		p.t.Fatalf("%s should wait for %s in place %d, but is %q in place %d", p.user.Name, resource, position, mine.State, mine.Position)
	}
}

// pass lets virtual time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// settle lets everybody hear what has happened: those who look on hear it a little later.
func settle() { pass(20 * time.Millisecond) }

// free fails the test unless nobody holds or waits.
func free(t *testing.T, m *editlock.Manager, resource string) {
	t.Helper()
	w := newPage(t, m, fmt.Sprint("watcher", rand.Int()), "Watcher")
	defer w.cut()
	s, err := w.conn.Watch(t.Context(), resource, 0)
	if err != nil {
		t.Fatal(err)
	}
	if s.State != editlock.Free || s.Waiting != 0 {
		t.Fatalf("%s is %s, held by %v, %d wait", resource, s.State, s.Holder, s.Waiting)
	}
}

// reasons lists why holdings of a resource ended, oldest first.
func reasons(t *testing.T, m *editlock.Manager, resource string) (list []editlock.Reason) {
	t.Helper()
	entries, _, err := m.History(t.Context(), resource, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Ended != nil {
			list = append(list, e.Ended.Reason)
		}
	}
	return list
}

// causeOf returns why a lock of this process is no longer trusted, nil if it is.
func causeOf(l editlock.Lock) error { return context.Cause(l.Context()) }
