package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
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
	late chan struct{} // once closed, what waits has waited for too long; nil: after store.Timeout, as in every store
}

func (g *gate) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
		var timeout <-chan time.Time
		if g.late == nil {
			timeout = time.After(store.Timeout)
		}
		select {
		case <-shut:
		case <-ctx.Done():
			return nil, store.ErrUnavailable
		case <-g.late:
			return nil, store.ErrUnavailable
		case <-timeout:
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
	g := &gate{Store: mem.New(), late: make(chan struct{})}
	w := start(t, brisk, fast, func(o *setup) { o.store = g })
	c := w.page("ana")
	open := sync.OnceFunc(g.close())
	defer open()
	c.send(&wire.Acquire{ID: 50, Target: target("article/42")})
	c.send(&wire.Watch{ID: 51, Target: target("article/43")})
	for acked := int64(0); acked < 5; {
		acked = recv(t, c.pings, "a ping").Ack
	}
	if len(c.answers) > 0 {
		t.Fatalf("answered without the store: %+v", <-c.answers)
	}
	close(g.late)
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
	for told := false; ready() == http.StatusOK; told = len(pages[0].moves) > 0 { // before it asks again
		if told {
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
	c.line.close()
	recv(t, drained, "the end of the drain")
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it took %v", d)
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
