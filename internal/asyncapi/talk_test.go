package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
	"github.com/editlock/editlock/internal/swarm"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

type rawJSON = json.RawMessage

func unmarshal[T any](t *testing.T, data []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// listener stands between pages and the server, lets everything through, and holds every frame against its schema.
type listener struct {
	t       *testing.T
	server  string
	schemas map[string]*jsonschema.Schema

	mu     sync.Mutex
	heard  map[string]int // frames, by type
	news   chan struct{}  // has a token after a frame was heard
	codes  map[wire.Code]int
	closes map[int]int
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/socket" {
		http.Redirect(w, r, l.server+r.URL.Path, http.StatusTemporaryRedirect)
		return
	}
	page, far := &leg{l: l, ready: make(chan struct{})}, &leg{l: l, ready: make(chan struct{}), ofServer: true}
	page.other, far.other = far, page
	up := gws.NewUpgrader(page, &gws.ServerOption{SubProtocols: []string{wire.Subprotocol}})
	var err error
	if page.conn, err = up.Upgrade(w, r); err != nil {
		l.t.Error(err)
		return
	}
	close(page.ready)
	far.conn, _, err = gws.NewClient(far, &gws.ClientOption{
		Addr: "ws" + strings.TrimPrefix(l.server, "http") + "/v1/socket", RequestHeader: http.Header{"Sec-WebSocket-Protocol": {wire.Subprotocol}},
	})
	if err != nil {
		l.t.Error(err)
		return
	}
	close(far.ready)
	go far.conn.ReadLoop()
	page.conn.ReadLoop()
}

// leg is one of the two connections of a listener.
type leg struct {
	gws.BuiltinEventHandler
	l        *listener
	ofServer bool
	conn     *gws.Conn
	other    *leg
	ready    chan struct{} // closed once conn is set
}

func (g *leg) OnMessage(_ *gws.Conn, m *gws.Message) {
	data := slices.Clone(m.Bytes())
	_ = m.Close()
	g.l.hear(data)
	<-g.other.ready
	_ = g.other.conn.WriteMessage(gws.OpcodeText, data)
}

func (g *leg) OnClose(_ *gws.Conn, err error) {
	code := 1000
	var closed *gws.CloseError
	if errors.As(err, &closed) {
		code = int(closed.Code)
		if g.ofServer {
			g.l.mu.Lock()
			g.l.closes[code]++
			g.l.mu.Unlock()
		}
	}
	<-g.other.ready
	_ = g.other.conn.WriteClose(uint16(code), nil)
}

func (l *listener) hear(frame []byte) {
	kind, known, err := check(l.schemas, frame)
	if err != nil || !known {
		l.t.Errorf("this was said, and is not in the document: %s\n%v", frame, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard[kind]++
	select {
	case l.news <- struct{}{}:
	default:
	}
	if kind == "error" {
		var e wire.Error
		if err := json.Unmarshal(frame, &e); err != nil {
			l.t.Error(err)
		}
		l.codes[e.Code]++
	}
}

func key(t *testing.T, id, secret string) *wire.Key {
	t.Helper()
	k, err := wire.NewKey(id, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A real server, real pages and real programs say nothing to each other that the document does not have, whatever they talk about.
func TestServerAndClientsFollowTheDocument(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	silent := slog.New(slog.DiscardHandler)
	m, err := editlock.Open(ctx, mem.New(), editlock.Config{Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	appKey := key(t, "app", "u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe")
	s, err := server.New(m, server.Options{
		Access:  server.Access{Keys: wire.Keys{appKey}, Issuer: "app", Audience: "editlock"},
		LockKey: key(t, "lock", "Xp2s5v8y/B?E(H+MbQeThWmZq4t7w9z$"), Logger: silent,
		Heartbeat: 200 * time.Millisecond, DrainTime: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	real := httptest.NewServer(s)
	defer real.Close()
	l := &listener{t: t, server: real.URL, schemas: schemas(t), heard: map[string]int{}, news: make(chan struct{}, 1), codes: map[wire.Code]int{}, closes: map[int]int{}}
	between := httptest.NewServer(l)
	defer between.Close()
	token := func(user string) string {
		text, err := appKey.Sign("JWT", map[string]any{
			"sub": user, "name": strings.ToUpper(user), "iss": "app", "aud": "editlock", "exp": time.Now().Add(time.Hour).Unix(),
			"rights": []string{"edit:article/*", "watch:**"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	open := func(user string) *swarm.Page {
		p, err := swarm.Open(ctx, between.URL, token(user))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Drop)
		return p
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// ask wants an answer, or the error that is named.
	ask := func(p *swarm.Page, want wire.Code, request func(id int64) wire.Request) {
		t.Helper()
		_, err := p.Do(ctx, request)
		var e *wire.Error
		if errors.As(err, &e); (e == nil) != (want == "") || e != nil && e.Code != want || e == nil && err != nil {
			t.Fatalf("got %v, want %q", err, want)
		}
	}
	target := wire.Target{Resource: "article/42"}
	all, no := "article/", false

	ana, ben := open("ana"), open("ben")
	ask(ben, "", func(id int64) wire.Request { return &wire.Watch{ID: id, Prefix: &all} })
	_, err = ana.Acquire(ctx, target.Resource, true)
	must(err)
	fence, err := ana.AwaitHeld(ctx, target.Resource)
	must(err)
	ask(ben, wire.Locked, func(id int64) wire.Request { return &wire.Acquire{ID: id, Target: target, Wait: &no} })
	_, err = ben.Acquire(ctx, target.Resource, true)
	must(err)
	ask(ana, "", func(id int64) wire.Request { return &wire.Changed{ID: id, Target: target, Fence: fence, Version: "17"} })
	ask(ben, wire.StaleFence, func(id int64) wire.Request { return &wire.Confirm{ID: id, Target: target, Fence: fence} })
	ask(ben, wire.Unsupported, func(id int64) wire.Request {
		return &wire.Acquire{ID: id, Target: wire.Target{Resource: "article/1", Part: "title"}}
	})
	ask(ben, wire.Forbidden, func(id int64) wire.Request {
		return &wire.Acquire{ID: id, Target: wire.Target{Resource: "salary/1"}}
	})
	ask(ben, wire.BadResource, func(id int64) wire.Request {
		return &wire.Acquire{ID: id, Target: wire.Target{Resource: "article/*"}}
	})
	ask(ben, "", func(id int64) wire.Request { return &wire.Unwatch{ID: id, Prefix: &all} })
	ask(ben, "", func(id int64) wire.Request { return &wire.Token{ID: id, Token: token("ben")} })
	ask(ben, wire.Unauthenticated, func(id int64) wire.Request { return &wire.Token{ID: id, Token: "a.b.c"} })
	_, err = ana.Release(ctx, target.Resource, fence, "18")
	must(err)
	_, err = ben.AwaitHeld(ctx, target.Resource)
	must(err)
	ask(ana, "", func(id int64) wire.Request { return &wire.Watch{ID: id, Target: target, Fence: fence} })
	_, err = ana.Acquire(ctx, target.Resource, true)
	must(err)
	_, err = ana.Cancel(ctx, target.Resource)
	must(err)
	must(ben.Connect(ctx)) // a second connection of the session: the first is replaced
	if _, resumed := ben.Session(); !resumed {
		t.Error("the session was not resumed")
	}
	pings := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.heard["ping"]
	}
	for enough := pings() + 4; pings() < enough; { // now with a lock
		select {
		case <-l.news:
		case <-ctx.Done():
			t.Fatal("no heartbeat was heard")
		}
	}
	program, err := client.Open(ctx, client.Options{
		Servers: []string{between.URL}, Token: func(context.Context) (string, error) { return token("cleo"), nil }, Logger: silent,
	})
	must(err)
	watched, err := program.Watch(ctx, "article/")
	must(err)
	lock, err := program.Acquire(ctx, "article/8")
	must(err)
	for snap := range watched {
		if snap.Resource == "article/8" && snap.Mine.State == editlock.MineHeld {
			break
		}
	}
	must(lock.Changed(ctx, "2"))
	if _, err := program.Try(ctx, target.Resource); !errors.Is(err, editlock.ErrLocked) {
		t.Errorf("Ben holds it: %v", err)
	}
	must(lock.Release(ctx))
	must(program.Close())
	ask(ana, "", func(id int64) wire.Request { return &wire.Bye{ID: id} })
	s.Drain(ctx)
	must(s.Close(ctx))
	must(ignore(ben.AwaitClosed(ctx)))

	l.mu.Lock()
	defer l.mu.Unlock()
	for kind := range l.schemas {
		if l.heard[kind] == 0 {
			t.Errorf("nobody said %s, so it was not checked", kind)
		}
	}
	for code := range l.closes {
		if !slices.ContainsFunc(closes, func(c struct {
			code  int
			about string
		}) bool {
			return c.code == code
		}) {
			t.Errorf("the server closed with %d, which is not in the document", code)
		}
	}
	if l.closes[wire.CloseReplaced] == 0 || l.closes[wire.CloseRestart] == 0 {
		t.Errorf("closed with %v; a connection was replaced, and the server stopped", l.closes)
	}
}

// ignore is for an error that is what was waited for.
func ignore(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
