package server_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

// patience is how long anything may take before a test gives up; nothing waits that long when all is well.
const patience = time.Minute

var (
	appKey  = mustKey("app", []byte("u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe"))
	lockKey = mustKey("lock", []byte("Xp2s5v8y/B?E(H+MbQeThWmZq4t7w9z$"))
)

func mustKey(id string, secret []byte) *wire.Key {
	k, err := wire.NewKey(id, secret)
	if err != nil {
		panic(err)
	}
	return k
}

// world is a whole server on loopback, with a real Manager behind it.
type world struct {
	testing.TB
	m        *editlock.Manager
	s        *server.Server
	addr     string
	observer *client // see waiting
}

// setup is what a test may change.
type setup struct {
	server.Options
	ttl    time.Duration
	store  store.Store
	listen func(net.Listener) net.Listener
}

func start(t testing.TB, change ...func(*setup)) *world {
	t.Helper()
	o := &setup{
		Options: server.Options{
			Access:  server.Access{Keys: wire.Keys{appKey}, Issuer: "app", Audience: "editlock"},
			LockKey: lockKey, Logger: slog.New(slog.DiscardHandler),
		},
		ttl: 10 * time.Second, store: mem.New(), listen: func(l net.Listener) net.Listener { return l },
	}
	for _, f := range change {
		f(o)
	}
	m, err := editlock.Open(context.Background(), o.store, editlock.Config{TTL: o.ttl, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(m, o.Options)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{Handler: s}
	served := make(chan struct{})
	go func() { defer close(served); _ = h.Serve(o.listen(l)) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("closing the server: %v", err)
		}
		_ = h.Close()
		<-served
		if err := m.Close(); err != nil {
			t.Errorf("closing the Manager: %v", err)
		}
	})
	return &world{TB: t, m: m, s: s, addr: l.Addr().String()}
}

// access makes an access token.
func access(user string, change ...func(map[string]any)) string {
	claims := map[string]any{
		"sub": user, "name": strings.ToUpper(user), "iss": "app", "aud": "editlock",
		"exp": float64(time.Now().Add(time.Hour).UnixMilli()) / 1000, "rights": []string{"edit:article/*", "watch:**"},
	}
	for _, f := range change {
		f(claims)
	}
	token, err := appKey.Sign("JWT", claims)
	if err != nil {
		panic(err)
	}
	return token
}

func expiring(d time.Duration) func(map[string]any) {
	return func(m map[string]any) { m["exp"] = float64(time.Now().Add(d).UnixMilli()) / 1000 }
}

func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return wire.NewNonce(b)
}

// client is a page, as far as the server can see.
type client struct {
	testing.TB
	line    line
	answers chan wire.Frame
	pushes  chan *wire.Snapshot
	pings   chan *wire.Ping
	moves   chan *wire.Move
	closed  chan uint16
	deaf    chan struct{} // closed: pings are not answered
	deafen  func()
	mu      sync.Mutex
	id      int64
	seen    map[string]int64 // the last revision of each resource, of the reading goroutine
}

// took wants an answer never to be older than what the client has.
func (c *client) took(s *wire.Snapshot) {
	if s != nil {
		if s.Revision < c.seen[s.Resource] {
			c.Errorf("an answer takes %s back from revision %d to %d", s.Resource, c.seen[s.Resource], s.Revision)
		}
		c.seen[s.Resource] = max(s.Revision, c.seen[s.Resource])
	}
}

func (w *world) connect(header ...string) *client {
	w.Helper()
	c, resp, err := w.dial(header...)
	if err != nil {
		w.Fatalf("dial: %v (%v)", err, resp)
	}
	return c
}

func (w *world) newClient() *client {
	c := &client{
		TB: w.TB, answers: make(chan wire.Frame, 1000), pushes: make(chan *wire.Snapshot, 10_000),
		pings: make(chan *wire.Ping, 10_000), moves: make(chan *wire.Move, 10), closed: make(chan uint16, 1), deaf: make(chan struct{}), seen: map[string]int64{},
	}
	c.deafen = sync.OnceFunc(func() { close(c.deaf) })
	return c
}

func (w *world) dial(header ...string) (*client, *http.Response, error) {
	c := w.newClient()
	h := http.Header{"Sec-Websocket-Protocol": {wire.Subprotocol}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	if way != "" {
		resp, err := w.dialStream(c, h)
		return c, resp, err
	}
	ws, resp, err := gws.NewClient(events{c: c}, &gws.ClientOption{Addr: "ws://" + w.addr + "/v1/socket", RequestHeader: h})
	if err != nil {
		return nil, resp, err
	}
	c.line = socketLine{ws}
	go ws.ReadLoop()
	w.Cleanup(func() { _ = ws.NetConn().Close() })
	return c, resp, nil
}

type events struct {
	gws.BuiltinEventHandler
	c *client
}

func (e events) OnClose(_ *gws.Conn, err error) {
	code := uint16(wire.CloseAbnormal)
	if ce, ok := err.(*gws.CloseError); ok {
		code = ce.Code
	}
	e.c.closed <- code
}

func (e events) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	e.c.received(m.Bytes())
}

// received takes a frame of the server.
func (c *client) received(data []byte) {
	f, err := wire.DecodeReply(data)
	if err != nil {
		c.Errorf("the server sent %s: %v", data, err)
		return
	}
	switch f := f.(type) {
	case *wire.Ping:
		c.pings <- f
		select {
		case <-c.deaf:
		default:
			_ = c.line.send(fmt.Sprintf(`{"type":"pong","ping":%d}`, f.Ping))
		}
	case *wire.Snapshot:
		c.seen[f.Resource] = max(f.Revision, c.seen[f.Resource])
		c.pushes <- f
	case *wire.Move:
		c.moves <- f
	default:
		switch f := f.(type) {
		case *wire.OK:
			c.took(f.Snapshot)
			for i := range f.Snapshots {
				c.took(&f.Snapshots[i])
			}
		case *wire.Error:
			c.took(f.Snapshot)
		}
		c.answers <- f
	}
}

func (c *client) sendText(text string) {
	if err := c.line.send(text); err != nil {
		c.Helper()
		c.Fatalf("send: %v", err)
	}
}

func (c *client) send(r wire.Request) {
	c.Helper()
	text, err := wire.Encode(r)
	if err != nil {
		c.Fatal(err)
	}
	c.sendText(string(text))
}

func (c *client) nextID() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id++
	return c.id
}

// recv takes the next of a channel, or gives up.
func recv[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func (c *client) answer() wire.Frame {
	c.Helper()
	select {
	case f := <-c.answers:
		return f
	default:
	}
	select {
	case f := <-c.answers:
		return f
	case code := <-c.closed:
		if len(c.answers) > 0 {
			c.closed <- code
			return <-c.answers
		}
		c.Fatalf("closed with %d in place of an answer", code)
	case <-time.After(patience):
		c.Fatal("waited in vain for an answer")
	}
	panic("unreachable")
}

// ok sends a request and wants it granted.
func (c *client) ok(r wire.Request) *wire.OK {
	c.Helper()
	c.send(r)
	switch f := c.answer().(type) {
	case *wire.OK:
		if f.ID != r.RequestID() {
			c.Fatalf("answer to %d, want %d", f.ID, r.RequestID())
		}
		return f
	default:
		c.Fatalf("%s was answered with %+v", r.Kind(), f)
		return nil
	}
}

// fails sends a request and wants it refused with a code.
func (c *client) fails(r wire.Request, code wire.Code) *wire.Error {
	c.Helper()
	c.send(r)
	return c.refused(r.RequestID(), code)
}

func (c *client) refused(id int64, code wire.Code) *wire.Error {
	c.Helper()
	e, ok := c.answer().(*wire.Error)
	if !ok || e.Code != code || e.ID != id || e.Message == "" {
		c.Fatalf("got %+v, want %s with id %d", e, code, id)
	}
	return e
}

func (c *client) closedWith(code uint16) {
	c.Helper()
	if got := recv(c.TB, c.closed, "the close"); got != code {
		c.Fatalf("closed with %d, want %d", got, code)
	}
}

func (c *client) hello(token string, resume string) *wire.Welcome {
	c.Helper()
	c.send(&wire.Hello{ID: c.nextID(), Token: token, Nonce: nonce(), Resume: resume})
	f := c.answer()
	w, ok := f.(*wire.Welcome)
	if !ok {
		c.Fatalf("hello was answered with %+v", f)
	}
	return w
}

// page connects and authenticates.
func (w *world) page(user string) *client {
	w.Helper()
	c := w.connect()
	c.hello(access(user), "")
	return c
}

func target(resource string) wire.Target { return wire.Target{Resource: resource} }

// hold acquires and confirms.
func (c *client) hold(resource string) (fence int64) {
	c.Helper()
	got := c.ok(&wire.Acquire{ID: c.nextID(), Target: target(resource)}).Snapshot
	if got.Mine == nil || got.Mine.State != "granted" {
		c.Fatalf("not granted: %+v, %+v", got, got.Mine)
	}
	got = c.ok(&wire.Confirm{ID: c.nextID(), Target: target(resource), Fence: got.Mine.Fence}).Snapshot
	if got.Mine == nil || got.Mine.State != "held" || got.Mine.Token == "" {
		c.Fatalf("not held: %+v", got.Mine)
	}
	return got.Mine.Fence
}

// pushed waits for a snapshot of a resource that is as wanted.
func (c *client) pushed(resource string, want func(*wire.Snapshot) bool) *wire.Snapshot {
	c.Helper()
	give := time.After(patience)
	for {
		select {
		case s := <-c.pushes:
			if s.Resource == resource && want(s) {
				return s
			}
		case <-give:
			c.Fatalf("no such push about %s", resource)
		}
	}
}

// holds wants the lock to be held by a session, whatever happened to its connection.
func (w *world) holds(resource, user string) {
	w.Helper()
	c := w.page("observer")
	s := c.ok(&wire.Watch{ID: c.nextID(), Target: target(resource)}).Snapshot
	if s.State != wire.Held || s.Holder == nil || s.Holder.User != user {
		w.Fatalf("%s is %s, holder %+v; want %s to hold it", resource, s.State, s.Holder, user)
	}
	c.line.close()
}
