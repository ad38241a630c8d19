package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

// brisk is a heartbeat that a loaded machine can keep too.
func brisk(o *setup) { o.Heartbeat, o.PongTimeout = 40*time.Millisecond, 2*time.Second }

func TestHeartbeat(t *testing.T) {
	w := start(t, brisk, fast)
	c := w.page("ana")
	fence := c.hold("article/42")
	last, proved := int64(0), 0
	for n := int64(1); proved < 3; n++ {
		p := recv(t, c.pings, "a ping")
		if p.Ping != n || p.Ack >= p.Ping || p.Ack < last {
			t.Fatalf("%+v after %d with ack %d", p, n-1, last)
		}
		if n > 1 && p.Ack != n-1 {
			t.Errorf("ping %d acknowledges %d; every pong so far was in time", n, p.Ack)
		}
		last = p.Ack
		if len(p.Locks) == 0 {
			continue // before the hold was confirmed
		}
		proved++
		l, err := wire.VerifyLock(wire.Keys{lockKey}, p.Locks[0].Token, time.Now())
		if err != nil || l.Fence != fence || l.Resource != "article/42" || p.Locks[0].Fence != fence || p.Locks[0].ExpiresIn <= 0 || p.Locks[0].ExpiresIn > 10 {
			t.Errorf("%+v, %+v, %v", p.Locks[0], l, err)
		}
	}
	// An answer to a ping that was never sent is no sign of life.
	c.deafen()
	c.sendText(`{"type":"pong","ping":1000000}`)
	c.sendText(`{"type":"pong","ping":1}`)
	c.closedWith(wire.CloseNoPong)
}

// Faults: W1
func TestHalfOpenConnection(t *testing.T) {
	t.Parallel()
	w := start(t)
	if cfg := (editlock.Config{TTL: 30 * time.Second}); cfg.Heartbeat()*11/10+cfg.PongTimeout() > 18*time.Second {
		t.Error("with the default TTL it would take longer than 18 s to notice")
	}
	ana, ben := w.page("ana"), w.page("ben")
	ana.hold("article/42")
	ben.ok(&wire.Acquire{ID: ben.nextID(), Target: target("article/42")})
	began := time.Now()
	ana.deafen()
	ana.closedWith(wire.CloseNoPong)
	if d := time.Since(began); d > 2*(2500*time.Millisecond*11/10+2500*time.Millisecond) {
		t.Errorf("noticed after %v", d)
	}
	ben.pushed("article/42", func(s *wire.Snapshot) bool { return s.Mine != nil && s.Mine.State == "granted" })
	if d := time.Since(began); d < 7*time.Second || d > 15*time.Second {
		t.Errorf("passed on after %v; want it after the TTL of 10 s and within 5 s", d)
	}
}

// gate is a store whose writes can be held up.
type gate struct {
	store.Store
	mu   sync.Mutex
	shut chan struct{} // nil: open
}

func (g *gate) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
		select {
		case <-shut:
		case <-ctx.Done():
			return nil, store.ErrUnavailable
		}
	}
	return g.Store.Apply(ctx, batch)
}

func (g *gate) close() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shut := make(chan struct{})
	g.shut = shut
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		close(shut)
		g.shut = nil
	}
}

// While a request waits for the store, pongs are taken and pings come; nothing is vouched for that the
// store has not confirmed for long.
func TestSlowStore(t *testing.T) {
	t.Parallel()
	g := &gate{Store: mem.New()}
	w := start(t, brisk, fast, func(o *setup) { o.store = g })
	c := w.page("ana")
	open := sync.OnceFunc(g.close())
	defer open()
	c.send(&wire.Acquire{ID: 50, Target: target("article/42")})
	c.send(&wire.Watch{ID: 51, Target: target("article/43")})
	for acked := int64(0); acked < 10; {
		acked = recv(t, c.pings, "a ping").Ack
	}
	if len(c.answers) > 0 {
		t.Fatalf("answered without the store: %+v", <-c.answers)
	}
	if f, ok := c.answer().(*wire.Error); !ok || f.ID != 50 || f.Code != wire.Unavailable && f.Code != wire.UnknownOutcome || f.RetryAfter == 0 {
		t.Fatalf("%+v", f)
	}
	c.answer() // to the watch, in order

	// The node's own renewals fail too: after 10 s it acknowledges nothing more.
	var last, same int64
	for began := time.Now(); same < 20; {
		if time.Since(began) > patience {
			t.Fatal("pongs are still acknowledged")
		}
		p := recv(t, c.pings, "a ping")
		if same++; p.Ack != last {
			last, same = p.Ack, 0
		}
	}
	open()
	for ack := last; ack == last; {
		ack = recv(t, c.pings, "a ping").Ack
	}
}

// bomb is a log that panics on one user.
type bomb struct{ slog.Handler }

func (b bomb) Enabled(context.Context, slog.Level) bool { return true }

func (b bomb) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "user" && a.Value.String() == "bomb" {
			panic("boom")
		}
		return true
	})
	return nil
}

// Faults: N6
func TestPanicEndsOneConnection(t *testing.T) {
	w := start(t, func(o *setup) { o.Logger = slog.New(bomb{slog.DiscardHandler}) })
	ana := w.page("ana")
	fence := ana.hold("article/42")
	c := w.connect()
	c.hello(access("bomb"), "") // the panic comes after the welcome is on its way
	c.closedWith(wire.CloseInternal)
	if n := w.s.Stats().Panics; n != 1 {
		t.Errorf("%d panics were counted", n)
	}
	ana.ok(&wire.Changed{ID: ana.nextID(), Target: target("article/42"), Fence: fence, Version: "2"})
	w.holds("article/42", "ana")
}

// A deploy: readiness fails first, clients are told to move, those that are left are closed with 1012, and
// all of them go on in the next process with what they had.
// Faults: N3
func TestDrain(t *testing.T) {
	st := mem.New()
	w := start(t, fast, func(o *setup) { o.store, o.DrainTime = st, 2*time.Second })
	const n = 12
	type page struct {
		*client
		resume string
		fence  int64
	}
	var pages []page
	for i := range n {
		c := w.connect()
		hello := c.hello(access(fmt.Sprint("user", i)), "")
		pages = append(pages, page{c, hello.Resume, c.hold(fmt.Sprint("article/", i))})
	}
	waiter := w.connect()
	wait := waiter.hello(access("waiter"), "")
	waiter.ok(&wire.Acquire{ID: waiter.nextID(), Target: target("article/0")})

	ready := func() int {
		resp, err := http.Get("http://" + w.addr + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if got := ready(); got != http.StatusOK {
		t.Fatalf("readiness %d", got)
	}
	drained := make(chan struct{})
	go func() { defer close(drained); w.s.Drain(context.Background()) }()
	for ready() == http.StatusOK {
		if len(pages[0].moves) > 0 {
			t.Fatal("told to move before readiness failed")
		}
	}
	if _, resp, err := w.dial(); err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a new connection while draining: %v, %v", resp, err)
	}
	for _, p := range pages {
		if m := recv(t, p.moves, "the hint to move"); m.Within <= 0 || m.Within > 2 {
			t.Errorf("%+v", m)
		}
	}
	// Those that stay can go on until the end.
	pages[0].ok(&wire.Changed{ID: 99, Target: target("article/0"), Fence: pages[0].fence, Version: "2"})
	recv(t, drained, "the end of the drain")
	if err := w.s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	for _, p := range pages {
		p.closedWith(wire.CloseRestart)
	}
	if err := w.m.Close(); err != nil {
		t.Fatal(err)
	}

	next := start(t, func(o *setup) { o.store = st })
	for i, p := range pages {
		c := next.connect()
		got := c.hello(access(fmt.Sprint("user", i)), p.resume)
		if !got.Resumed || len(got.Snapshots) != 1 || got.Snapshots[0].Mine == nil || got.Snapshots[0].Mine.Fence != p.fence || got.Snapshots[0].Mine.State != "held" {
			t.Errorf("%d came back to %+v", i, got)
		}
	}
	c := next.connect()
	if got := c.hello(access("waiter"), wait.Resume); len(got.Snapshots) != 1 || got.Snapshots[0].Mine.Position != 1 {
		t.Errorf("the waiter came back to %+v", got)
	}
}

func TestDrainEndsWhenAllHaveGone(t *testing.T) {
	w := start(t, func(o *setup) { o.DrainTime = 10 * time.Second })
	c := w.page("ana")
	drained := make(chan struct{})
	go func() { defer close(drained); w.s.Drain(context.Background()) }()
	recv(t, c.moves, "the hint to move")
	began := time.Now()
	_ = c.ws.WriteClose(1000, nil)
	recv(t, drained, "the end of the drain")
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

// Faults: A9
func TestConnectionsOfAUser(t *testing.T) {
	w := start(t, func(o *setup) { o.MaxPerUser = 3 })
	var pages []*client
	for range 3 {
		pages = append(pages, w.page("ana"))
	}
	c := w.connect()
	e := c.fails(&wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce()}, wire.TooManySessions)
	if e.RetryAfter == 0 {
		t.Error("it does not say when to try again")
	}
	c.closedWith(wire.CloseTooMany)
	w.page("ben")
	_ = pages[0].ws.WriteClose(1000, nil)
	recv(t, pages[0].closed, "the close")
	w.until("there is room again", func() bool {
		c := w.connect()
		c.send(&wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce()})
		return c.answer().Kind() == "welcome"
	})
}

// Faults: A9, A10
func TestConnectionsOfAnAddress(t *testing.T) {
	refused := func(w *world, status int, header ...string) {
		w.Helper()
		_, resp, err := w.dial(header...)
		if err == nil || resp == nil || resp.StatusCode != status {
			w.Fatalf("%v, %v; want %d", resp, err, status)
		}
		if resp.Header.Get("Retry-After") == "" {
			w.Error("it does not say when to try again")
		}
	}
	t.Run("per address", func(t *testing.T) {
		w := start(t, func(o *setup) { o.MaxPerAddress = 2 })
		w.TB = t
		one := w.connect()
		w.connect()
		refused(w, http.StatusTooManyRequests)
		refused(w, http.StatusTooManyRequests, "X-Forwarded-For", "192.0.2.1") // nobody believes it
		_ = one.ws.WriteClose(1000, nil)
		w.until("there is room again", func() bool { _, _, err := w.dial(); return err == nil })
	})
	t.Run("behind a proxy", func(t *testing.T) {
		w := start(t, func(o *setup) {
			o.MaxPerAddress = 1
			o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
		})
		w.TB = t
		w.connect("X-Forwarded-For", "192.0.2.1")
		w.connect("X-Forwarded-For", "192.0.2.2")
		w.connect("X-Forwarded-For", "2001:db8:0:1::1")
		w.connect("X-Forwarded-For", "2001:db8:0:2::1")
		refused(w, http.StatusTooManyRequests, "X-Forwarded-For", "192.0.2.1")
		refused(w, http.StatusTooManyRequests, "X-Forwarded-For", "198.51.100.9, 192.0.2.1, 10.0.0.1") // what a client wrote before it counts for nothing
		refused(w, http.StatusTooManyRequests, "X-Forwarded-For", "2001:db8:0:1::2")
		refused(w, http.StatusTooManyRequests, "X-Forwarded-For", "::ffff:192.0.2.1")
	})
	t.Run("in all", func(t *testing.T) {
		w := start(t, func(o *setup) { o.MaxConnections = 1 })
		w.TB = t
		w.connect()
		refused(w, http.StatusServiceUnavailable)
	})
	t.Run("handshakes a second", func(t *testing.T) {
		w := start(t, func(o *setup) { o.HandshakeRate = 1 })
		w.TB = t
		w.connect()
		w.until("too fast", func() bool {
			_, resp, err := w.dial()
			return err != nil && resp != nil && resp.StatusCode == http.StatusServiceUnavailable
		})
		w.until("slow enough", func() bool { _, _, err := w.dial(); return err == nil })
	})
}

// Faults: A9
func TestMessageRate(t *testing.T) {
	w := start(t)
	c := w.page("eve")
	for i := range 60 {
		c.send(&wire.Watch{ID: int64(i + 2), Target: target("article/42")})
	}
	refused := 0
	for range 60 {
		if e, ok := c.answer().(*wire.Error); ok {
			if e.Code != wire.RateLimited || e.RetryAfter <= 0 || e.RetryAfter > 1 {
				t.Fatalf("%+v", e)
			}
			refused++
		}
	}
	if refused == 0 || refused > 21 {
		t.Errorf("%d of 60 were refused; 40 may come at once", refused)
	}
	go func() {
		for i := 0; c.ws.WriteString(fmt.Sprintf(`{"id":%d,"type":"watch","resource":"article/42"}`, i%1000+100)) == nil; i++ {
			continue
		}
	}()
	c.closedWith(wire.CloseTooMany)
}

// until tries until something is so.
func (w *world) until(what string, f func() bool) {
	w.Helper()
	for end := time.Now().Add(patience); !f(); {
		if time.Now().After(end) {
			w.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestHealthAndReadiness(t *testing.T) {
	w := start(t)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/": 404, "/v1/bye": 405} {
		resp, err := http.Get("http://" + w.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// Nothing that opens a door is written to the log.
func TestLogHasNoSecrets(t *testing.T) {
	var mu sync.Mutex
	var text strings.Builder
	w := start(t, brisk, func(o *setup) {
		o.Logger = slog.New(slog.NewTextHandler(locked{&mu, &text}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	token := access("ana")
	c := w.connect()
	hello := c.hello(token, "")
	c.hold("article/42")
	again := w.connect()
	again.hello(token, hello.Resume)
	bad := w.connect()
	bad.send(&wire.Hello{ID: 1, Token: token + "x", Nonce: nonce(), Resume: hello.Resume})
	bad.answer()
	again.deafen()
	again.closedWith(wire.CloseNoPong)
	mu.Lock()
	defer mu.Unlock()
	for _, secret := range []string{token, hello.Resume, strings.Split(token, ".")[2]} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("the log contains %s", secret)
		}
	}
	if !strings.Contains(text.String(), "refused") {
		t.Errorf("the log says nothing: %s", text.String())
	}
}

type locked struct {
	mu *sync.Mutex
	w  *strings.Builder
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
