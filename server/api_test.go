package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

const doc42 = "article/42"

// A program holds, keeps alive, gives back; others see who, and the next one who waits is let in.
// Faults: Q7
func TestProgramHoldsAndReleases(t *testing.T) {
	w := start(t)
	ana, ben := w.asker("ana"), w.asker("ben")
	g := ana.acquire(wire.AcquireCall{Resource: doc42})
	if g.Fence == 0 || g.Token == "" || g.Session == "" || g.ExpiresIn <= 7 || g.ExpiresIn > 8 || g.Resource != doc42 {
		t.Fatalf("%+v", g) // the TTL is 10 s, the margin 2 s
	}
	if lock, err := wire.VerifyLock(wire.Keys{lockKey}, g.Token, time.Now()); err != nil || lock.Fence != g.Fence || lock.User != "ana" || lock.Resource != doc42 {
		t.Errorf("%+v, %v", lock, err)
	}
	if again := ana.acquire(wire.AcquireCall{Resource: doc42, Session: g.Session}); again.Fence != g.Fence || again.Session != g.Session {
		t.Errorf("again: %+v", again)
	}
	p := ben.bad("POST", "/v1/acquire", wire.AcquireCall{Resource: doc42}, wire.Locked)
	if p.Holder == nil || p.Holder.Name != "ANA" || p.Holder.Fence != g.Fence || p.Session != "" || p.Snapshot.Mine != nil {
		t.Errorf("refused with %+v, %+v", p, p.Holder)
	}
	r := ana.renew(g.Session)
	if len(r.Locks) != 1 || r.Locks[0].Fence != g.Fence || r.Locks[0].Token == "" || r.Session != g.Session || r.RenewWithin <= 0 || len(r.Places) != 0 {
		t.Errorf("renewed: %+v", r)
	}

	waiting := ben.answers("/v1/acquire", wire.AcquireCall{Resource: doc42, Wait: 50})
	w.waiting(doc42, 1)
	out := good[wire.Standing](ana, "POST", "/v1/release", wire.ReleaseCall{Session: g.Session, Resource: doc42, Fence: g.Fence, Version: "17"})
	if out.Session != "" || out.Snapshot.Mine != nil {
		t.Errorf("released: %+v", out)
	}
	s := recv(t, waiting, "the grant")
	h := parsed[wire.Granted](t, s)
	if s.StatusCode != 200 || h.Fence <= g.Fence || h.Version != "17" || h.Waited <= 0 {
		t.Fatalf("%s %s", s.Status, s.body)
	}

	// Twice, or late: the same answer, and nothing happens.
	for range 2 {
		if out := ana.release(g); out.Session != "" || out.Snapshot.Holder == nil || out.Snapshot.Holder.User != "ben" {
			t.Errorf("released again: %+v", out)
		}
	}
	if out := good[wire.Standing](ben, "POST", "/v1/release", wire.ReleaseCall{Session: h.Session, Resource: doc42, Fence: g.Fence}); out.Session != h.Session || out.Snapshot.Mine == nil {
		t.Errorf("released with an old fence: %+v", out)
	}
	if got := ben.get(doc42); got.State != wire.Held || got.Holder.Fence != h.Fence || !got.Holder.Yours {
		t.Errorf("%+v", got.Holder)
	}
	if p := ana.bad("POST", "/v1/renew", wire.RenewCall{Session: g.Session}, wire.SessionOver); p.Session != "" {
		t.Errorf("%+v", p)
	}
	ben.release(h)
	if got := ben.get(doc42); got.State != wire.Free || got.Holder != nil {
		t.Errorf("%+v", got)
	}
	if n := w.s.Stats().Programs; n != 0 {
		t.Errorf("%d sessions of programs are left", n)
	}
}

// waiting waits until so many wait for a resource.
func (w *world) waiting(resource string, n int) {
	w.Helper()
	if w.observer == nil {
		w.observer = w.page("observer")
	}
	c := w.observer
	if s := c.ok(&wire.Watch{ID: c.nextID(), Target: target(resource)}).Snapshot; s.Waiting != n {
		c.pushed(resource, func(s *wire.Snapshot) bool { return s.Waiting == n })
	}
}

// Fifty ask at once; one is told that it holds, whichever way they ask, and in the end each was, one after the other.
func TestFiftyProgramsAtOnce(t *testing.T) {
	w := start(t, func(s *setup) { s.MaxPerAddress = 1000 })
	const n = 50
	var answers []<-chan *said
	var askers []*asker
	for i := range n {
		a := w.asker(fmt.Sprintf("user%d", i))
		askers = append(askers, a)
		answers = append(answers, a.answers("/v1/acquire", wire.AcquireCall{Resource: doc42}))
	}
	told := 0
	for i, ch := range answers {
		s := recv(t, ch, "an answer")
		switch s.StatusCode {
		case 200:
			told++
			g := parsed[wire.Granted](t, s)
			defer askers[i].release(g)
		case 423:
		default:
			t.Errorf("%s %s", s.Status, s.body)
		}
	}
	if told != 1 {
		t.Fatalf("%d were told that they hold", told)
	}

	const other = "article/43"
	holder := w.asker("holder")
	g := holder.acquire(wire.AcquireCall{Resource: other})
	type turn struct {
		who int
		g   *wire.Granted
	}
	turns := make(chan turn, n)
	for i, a := range askers {
		go func() {
			c := wire.AcquireCall{Resource: other, Wait: 50}
			for {
				s := <-a.answers("/v1/acquire", c)
				if s == nil {
					return
				}
				if s.StatusCode == 200 {
					turns <- turn{i, parsed[wire.Granted](t, s)}
					return
				}
				c.Session = parsed[wire.Problem](t, s).Session
			}
		}()
	}
	w.waiting(other, n)
	holder.release(g)
	last := g.Fence
	for range n {
		got := recv(t, turns, "the next one")
		if got.g.Fence <= last {
			t.Errorf("fence %d after %d", got.g.Fence, last)
		}
		if len(turns) != 0 {
			t.Error("two hold at once")
		}
		last = got.g.Fence
		askers[got.who].release(got.g)
	}
}

// A program that did not hear that it got the lock is told that a session of its user has it, and takes it over. Nobody else can.
// Faults: B7
func TestAnswerThatWasLost(t *testing.T) {
	w := start(t)
	ana, ben := w.asker("ana"), w.asker("ben")
	lost := ana.acquire(wire.AcquireCall{Resource: doc42})
	p := ana.bad("POST", "/v1/acquire", wire.AcquireCall{Resource: doc42}, wire.Locked)
	if p.Holder == nil || !p.Holder.Yours || p.Holder.You || !strings.Contains(p.Detail, "move") {
		t.Errorf("%s: %+v", p.Detail, p.Holder)
	}
	if p := ben.bad("POST", "/v1/acquire", wire.AcquireCall{Resource: doc42, Move: true}, wire.Locked); p.Holder.Yours || strings.Contains(p.Detail, "move") {
		t.Errorf("%s: %+v", p.Detail, p.Holder)
	}
	got := ana.acquire(wire.AcquireCall{Resource: doc42, Move: true})
	if got.Fence <= lost.Fence || got.Session == lost.Session {
		t.Errorf("%+v after %+v", got, lost)
	}
	if p := ana.bad("POST", "/v1/renew", wire.RenewCall{Session: lost.Session}, wire.SessionOver); len(p.Ended) != 1 || p.Ended[0].Reason != "handed_over" {
		t.Errorf("%+v", p.Ended)
	}
}
