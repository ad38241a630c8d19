// Package swarm is a page of a browser as a Go program: it speaks the protocol of docs/spec.md over a
// real WebSocket, confirms what it is granted, answers heartbeats and comes back with its session.
// Tests let thousands of them loose on a real server.
package swarm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/wire"
)

// ErrDisconnected is returned by requests on a connection that has ended.
var ErrDisconnected = errors.New("swarm: not connected")

// Page is one tab. Its methods may be called from several goroutines.
type Page struct {
	url   string // of the server's handler, such as http://127.0.0.1:4000/editlock
	token string // access token

	mu      sync.Mutex
	conn    *gws.Conn
	welcome wire.Welcome
	resume  string
	nonce   string
	id      int64
	pending map[int64]chan wire.Frame
	known   map[string]wire.Snapshot
	locks   map[string]wire.LockGrant // lock tokens of the last ping
	news    chan struct{}             // closed and replaced at every news
	closed  error                     // why the last connection ended
	told    map[string]int            // how often it was told that it holds, by resource
	absent  bool
	deaf    bool
}

// Open connects a new page.
func Open(ctx context.Context, url, token string) (*Page, error) {
	p := &Page{url: url, token: token, known: map[string]wire.Snapshot{}, news: make(chan struct{}), told: map[string]int{}}
	p.nonce = newNonce()
	return p, p.Connect(ctx)
}

func newNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return wire.NewNonce(b)
}

// Connect connects, or reconnects and resumes. It tries once.
func (p *Page) Connect(ctx context.Context) error {
	h := &handler{p: p}
	conn, _, err := gws.NewClient(h, &gws.ClientOption{
		Addr:             "ws" + strings.TrimPrefix(p.url, "http") + "/v1/socket",
		RequestHeader:    http.Header{"Sec-WebSocket-Protocol": {wire.Subprotocol}},
		HandshakeTimeout: 20 * time.Second,
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.conn, p.pending, p.closed, p.deaf = conn, map[int64]chan wire.Frame{}, nil, false
	p.known, p.locks = map[string]wire.Snapshot{}, map[string]wire.LockGrant{}
	hello := &wire.Hello{Token: p.token, Nonce: p.nonce, Resume: p.resume}
	p.mu.Unlock()
	go conn.ReadLoop()
	f, err := p.Do(ctx, func(id int64) wire.Request { hello.ID = id; return hello })
	if err != nil {
		_ = conn.NetConn().Close()
		return err
	}
	w, ok := f.(*wire.Welcome)
	if !ok {
		return fmt.Errorf("swarm: hello was answered by %s", f.Kind())
	}
	p.mu.Lock()
	p.welcome, p.resume, p.nonce = *w, w.Resume, newNonce()
	p.mu.Unlock()
	for _, s := range w.Snapshots {
		p.take(s)
	}
	return nil
}

// Do sends a request and waits for its answer. A *wire.Error is returned as the error.
func (p *Page) Do(ctx context.Context, make func(id int64) wire.Request) (wire.Frame, error) {
	p.mu.Lock()
	conn := p.conn
	if conn == nil {
		p.mu.Unlock()
		return nil, ErrDisconnected
	}
	p.id++
	id, answer := p.id, newAnswer()
	p.pending[id] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.pending, id)
		p.mu.Unlock()
	}()
	data, err := wire.Encode(make(id))
	if err != nil {
		return nil, err
	}
	if err := conn.WriteMessage(gws.OpcodeText, data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	select {
	case f, ok := <-answer:
		if !ok {
			return nil, fmt.Errorf("%w: %w", ErrDisconnected, p.Closed())
		}
		if e, is := f.(*wire.Error); is {
			return f, e
		}
		return f, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func newAnswer() chan wire.Frame { return make(chan wire.Frame, 1) }

// about sends a request about a resource and takes up the snapshot of its answer. As a page does, it asks again
// when the server says that it cannot answer now: every request may be repeated.
func (p *Page) about(ctx context.Context, make func(id int64) wire.Request) (wire.Snapshot, error) {
	for {
		f, err := p.Do(ctx, make)
		e, refused := f.(*wire.Error)
		if refused && (e.Code == wire.RateLimited || e.Code == wire.Unavailable || e.Code == wire.UnknownOutcome) {
			select {
			case <-time.After(max(time.Duration(float64(e.RetryAfter)*float64(time.Second)), 100*time.Millisecond)):
				continue
			case <-ctx.Done():
				return wire.Snapshot{}, fmt.Errorf("%w: %w", context.Cause(ctx), err)
			}
		}
		if refused && e.Snapshot != nil {
			p.take(*e.Snapshot)
			return *e.Snapshot, err
		}
		if ok, is := f.(*wire.OK); is && ok.Snapshot != nil {
			p.take(*ok.Snapshot)
			return *ok.Snapshot, err
		}
		return wire.Snapshot{}, err
	}
}

// Acquire asks for a resource, waiting or not.
func (p *Page) Acquire(ctx context.Context, resource string, wait bool) (wire.Snapshot, error) {
	return p.about(ctx, func(id int64) wire.Request {
		return &wire.Acquire{ID: id, Target: wire.Target{Resource: resource}, Wait: &wait}
	})
}

// Release gives a resource back.
func (p *Page) Release(ctx context.Context, resource string, fence int64, version string) (wire.Snapshot, error) {
	return p.about(ctx, func(id int64) wire.Request {
		return &wire.Release{ID: id, Target: wire.Target{Resource: resource}, Fence: fence, Version: version}
	})
}

// Cancel stops waiting.
func (p *Page) Cancel(ctx context.Context, resource string) (wire.Snapshot, error) {
	return p.about(ctx, func(id int64) wire.Request {
		return &wire.Cancel{ID: id, Target: wire.Target{Resource: resource}}
	})
}

// Watch looks on.
func (p *Page) Watch(ctx context.Context, resource string) (wire.Snapshot, error) {
	return p.about(ctx, func(id int64) wire.Request {
		return &wire.Watch{ID: id, Target: wire.Target{Resource: resource}}
	})
}

// Bye says that the page is left, as a browser does on pagehide.
func (p *Page) Bye(ctx context.Context) error {
	p.mu.Lock()
	body := fmt.Sprintf(`{"resume":%q}`, p.resume)
	p.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/v1/bye", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Drop ends the connection without a word to the server but what the kernel sends.
func (p *Page) Drop() {
	p.mu.Lock()
	conn := p.conn
	p.mu.Unlock()
	if conn != nil {
		_ = conn.NetConn().Close()
	}
}

// Conn is the connection, to send on it what no page would.
func (p *Page) Conn() *gws.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn
}

// Deafen lets the page answer no heartbeat any more.
func (p *Page) Deafen() {
	p.mu.Lock()
	p.deaf = true
	p.mu.Unlock()
}

// Session returns the identifier of the session, and whether it was resumed by the last Connect.
func (p *Page) Session() (id string, resumed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.welcome.Session, p.welcome.Resumed
}

// Closed returns why the last connection ended, nil if it did not.
func (p *Page) Closed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// LockToken returns the newest lock token of a resource, "" if there is none.
func (p *Page) LockToken(resource string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g, ok := p.locks[resource]; ok {
		return g.Token
	}
	if m := p.known[resource].Mine; m != nil {
		return m.Token
	}
	return ""
}

// Told returns how often the page was told that it holds a resource: once for each grant.
func (p *Page) Told(resource string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told[resource]
}

// Now returns the last snapshot of a resource.
func (p *Page) Now(resource string) wire.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[resource]
}

// Fence returns the fence with which the page holds a resource, confirmed; 0 if it does not.
func (p *Page) Fence(resource string) int64 {
	if m := p.Now(resource).Mine; m != nil && m.State == "held" {
		return m.Fence
	}
	return 0
}

// Await waits until a snapshot of a resource is as ok wants it.
func (p *Page) Await(ctx context.Context, resource string, ok func(wire.Snapshot) bool) (wire.Snapshot, error) {
	for {
		p.mu.Lock()
		s, news := p.known[resource], p.news
		p.mu.Unlock()
		if ok(s) {
			return s, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return s, fmt.Errorf("swarm: %s is %q for this page, %+v: %w", resource, s.State, s.Mine, context.Cause(ctx))
		}
	}
}

// AwaitHeld waits until the page holds, confirmed, and returns its fence.
func (p *Page) AwaitHeld(ctx context.Context, resource string) (int64, error) {
	s, err := p.Await(ctx, resource, func(s wire.Snapshot) bool { return s.Mine != nil && s.Mine.State == "held" })
	if err != nil {
		return 0, err
	}
	return s.Mine.Fence, nil
}

// AwaitClosed waits until the connection has ended, and returns why.
func (p *Page) AwaitClosed(ctx context.Context) error {
	for {
		p.mu.Lock()
		err, news := p.closed, p.news
		p.mu.Unlock()
		if err != nil {
			return err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take takes up a snapshot, and confirms a grant.
func (p *Page) take(s wire.Snapshot) {
	p.mu.Lock()
	old := p.known[s.Resource]
	if s.Revision < old.Revision {
		p.mu.Unlock()
		return
	}
	p.known[s.Resource] = s
	fresh := s.Mine != nil && (s.Mine.State == "granted" || s.Mine.State == "held") && (old.Mine == nil || old.Mine.Fence != s.Mine.Fence)
	if fresh {
		p.told[s.Resource]++
	}
	confirm := fresh && s.Mine.State == "granted" && !p.absent
	again := s.Mine != nil && s.Mine.State == "absent" && (old.Mine == nil || old.Mine.State != "absent") && !p.absent
	p.wake()
	p.mu.Unlock()
	target := wire.Target{Resource: s.Resource}
	switch {
	case confirm:
		go p.insist(func(id int64) wire.Request { return &wire.Confirm{ID: id, Target: target, Fence: s.Mine.Fence} })
	case again: // the page is here after all
		go p.insist(func(id int64) wire.Request { return &wire.Acquire{ID: id, Target: target} })
	}
}

// insist sends a request that nobody waits for.
func (p *Page) insist(make func(id int64) wire.Request) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, _ = p.about(ctx, make)
}

// wake tells those who wait for news. p.mu is held.
func (p *Page) wake() {
	close(p.news)
	p.news = make(chan struct{})
}
