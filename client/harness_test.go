package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
	"github.com/editlock/editlock/internal/sessiontest"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

// patience is how long anything may take before a test gives up.
const patience = 3 * time.Minute

const doc = "article/42"

var (
	appKey  = mustKey("app", "u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe")
	lockKey = mustKey("lock", "Xp2s5v8y/B?E(H+MbQeThWmZq4t7w9z$")
)

func mustKey(id, secret string) *wire.Key {
	k, err := wire.NewKey(id, []byte(secret))
	if err != nil {
		panic(err)
	}
	return k
}

// token is an access token of a user, good for d.
func token(user editlock.User, d time.Duration) string {
	s, err := appKey.Sign("JWT", map[string]any{
		"sub": user.ID, "name": user.Name, "rights": []string{"edit:**"}, "iss": "app", "aud": "editlock", "exp": time.Now().Add(d).Unix(),
	})
	if err != nil {
		panic(err)
	}
	return s
}

// world is a whole server, and the network to it.
type world struct {
	*testing.T
	m    *editlock.Manager
	s    *server.Server
	st   *faulty
	net  *network
	url  string
	http *http.Server
	wrap func(http.Handler) http.Handler // what stands before the server; nil: nothing
}

// way leads to the server.
func (w *world) way() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.wrap == nil {
			w.s.ServeHTTP(rw, r)
			return
		}
		w.wrap(w.s).ServeHTTP(rw, r)
	})
}

// start serves on listener, which the network leads to.
func start(t *testing.T, listener net.Listener, cfg editlock.Config, opts server.Options) *world {
	t.Helper()
	w := &world{T: t, st: &faulty{Store: mem.New()}, net: &network{}, url: "http://" + listener.Addr().String()}
	quiet := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	cfg.Logger = quiet
	var err error
	if w.m, err = editlock.Open(context.Background(), w.st, cfg); err != nil {
		t.Fatal(err)
	}
	opts.Access = server.Access{Keys: wire.Keys{appKey}, Issuer: "app", Audience: "editlock"}
	opts.LockKey, opts.Logger = lockKey, quiet
	if w.s, err = server.New(w.m, opts); err != nil {
		t.Fatal(err)
	}
	w.http = &http.Server{Handler: w.way(), ErrorLog: slog.NewLogLogger(quiet.Handler(), slog.LevelDebug)}
	served := make(chan error, 1)
	go func() { served <- w.http.Serve(listener) }()
	t.Cleanup(func() {
		w.net.heal()
		if err := w.s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		_ = w.http.Close()
		<-served
		if err := w.m.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// options are those of a client of the world.
func (w *world) options(user editlock.User) client.Options {
	return client.Options{
		Servers: []string{w.url},
		Token:   func(context.Context) (string, error) { return token(user, time.Hour), nil },
		Dial:    w.net.dial,
		Logger:  slog.New(slog.NewTextHandler(w.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// session opens a session of a user, which is closed at the end.
func (w *world) session(id, name string, change ...func(*client.Options)) *client.Session {
	w.Helper()
	o := w.options(editlock.User{ID: id, Name: name})
	for _, f := range change {
		f(&o)
	}
	s, err := client.Open(w.Context(), o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = s.Close() })
	return s
}

func (w *world) acquire(s editlock.Session) *client.Lock {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	lock, err := s.Acquire(ctx, doc)
	if err != nil {
		w.Fatal(err)
	}
	return lock.(*client.Lock)
}

func (w *world) place() *sessiontest.Place {
	return &sessiontest.Place{
		Manager: w.m,
		Session: func(ctx context.Context, user editlock.User) (editlock.Session, error) {
			return client.Open(ctx, w.options(user))
		},
		Fail: w.st.set,
	}
}

// faulty is a store that fails when it is told to.
type faulty struct {
	store.Store
	mu    sync.Mutex
	fail  bool
	after int // so many writes from now on; 0: it goes on as it is
}

func (f *faulty) set(fail bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// failAfter lets the store fail when it has taken some more writes.
func (f *faulty) failAfter(writes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = writes
}

func (f *faulty) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	f.mu.Lock()
	fail := f.fail
	if f.after > 0 {
		f.after--
		f.fail = f.after == 0
	}
	f.mu.Unlock()
	if fail {
		return nil, fmt.Errorf("%w: no room left", store.ErrUnavailable)
	}
	return f.Store.Apply(ctx, batch)
}

// tcp listens on loopback.
func tcp(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// pipes is a listener whose connections are pipes in memory: nothing of it waits for the real world.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "127.0.0.1:80" }

// network leads from the clients to the server, by pipes or by real sockets. It can be cut: then nothing passes either way, no
// byte and no end of a connection, until it is whole again.
type network struct {
	to     *pipes // nil: real sockets
	mu     sync.Mutex
	whole  chan struct{} // nil: it is whole
	cables []*cable
	conns  []net.Conn // the clients' ends
	wires  sync.WaitGroup
}

func (n *network) dial(ctx context.Context, kind, address string) (net.Conn, error) {
	if err := n.wait(ctx.Done()); err != nil {
		return nil, ctx.Err()
	}
	var far net.Conn
	if n.to == nil {
		var err error
		if far, err = new(net.Dialer).DialContext(ctx, kind, address); err != nil {
			return nil, err
		}
	} else {
		near, theirs := net.Pipe()
		select {
		case n.to.conns <- addressed{theirs}:
		case <-n.to.done:
			return nil, errors.New("connection refused")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		far = near
	}
	inner, outer := net.Pipe()
	k := new(cable)
	n.mu.Lock()
	n.conns = append(n.conns, outer)
	n.cables = append(n.cables, k)
	n.mu.Unlock()
	n.wires.Go(func() { n.pump(k, far, inner) })
	n.wires.Go(func() { n.pump(k, inner, far) })
	return outer, nil
}

// cable is what one connection goes through.
type cable struct{ dead bool }

// kill lets all connections of now go dead, without a word to either end: half open, for ever. New ones work.
func (n *network) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.cables {
		k.dead = true
	}
	n.cables = nil
}

// addressed is a pipe with the address that the server wants to see.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return pipeAddr{} }

func (n *network) pump(cable *cable, from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		k, err := from.Read(buffer)
		_ = n.wait(nil)
		n.mu.Lock()
		dead := cable.dead
		n.mu.Unlock()
		if dead && err == nil {
			continue
		}
		if dead {
			return // and the other end never hears of it
		}
		if k > 0 {
			if _, werr := to.Write(buffer[:k]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = from.Close()
			}
			_ = to.Close()
			return
		}
	}
}

func (n *network) wait(done <-chan struct{}) error {
	n.mu.Lock()
	whole := n.whole
	n.mu.Unlock()
	if whole == nil {
		return nil
	}
	select {
	case <-whole:
		return nil
	case <-done:
		return context.Canceled
	}
}

// cut stops all traffic, in silence. heal lets it pass again.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.whole == nil {
		n.whole = make(chan struct{})
	}
}

func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.whole != nil {
		close(n.whole)
		n.whole = nil
	}
}

// reset ends all connections.
func (n *network) reset() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		_ = c.Close()
	}
	n.conns = nil
}
