package server_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/wire"
)

// asker is a program at the server of a bubble.
func (b *bubble) asker(user string) *asker {
	t := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		b.l.conns <- far
		return near, nil
	}}
	b.t.Cleanup(t.CloseIdleConnections)
	return &asker{TB: b.t, addr: "lock.example.com", token: access(user, expiring(24*time.Hour)), http: &http.Client{Transport: t}}
}

func (a *asker) idle() { a.http.CloseIdleConnections() }

const text = "article/77" // the honest program of a bubble has article/42

// A program that fell silent believes no longer when the next one is let in, and that is within the TTL and 5 s; one that renews in time
// keeps its lock for as long as it likes.

func TestProgramsBeliefInTime(t *testing.T) {
	inBubble(t, func(b *bubble) {
		ana, ben := b.asker("ana"), b.asker("ben")
		defer ana.idle()
		defer ben.idle()
		sent := time.Now()
		g := ana.acquire(wire.AcquireCall{Resource: text})
		if g.RenewWithin < 3 || g.RenewWithin > 4 {
			t.Errorf("renew within %v", g.RenewWithin)
		}
		session := g.Session
		for range 100 {
			<-time.After(g.RenewWithin.Duration())
			sent = time.Now()
			r := ana.renew(session)
			if len(r.Locks) != 1 || r.Locks[0].Fence != g.Fence || r.Locks[0].ExpiresIn < 7.9 || r.Locks[0].ExpiresIn > 8 {
				t.Fatalf("%+v", r)
			}
		}
		believes := sent.Add(8 * time.Second)
		asked := time.Now()
		h := ben.acquire(wire.AcquireCall{Resource: text, Wait: 50})
		let := time.Now()
		if !let.After(believes) || let.Sub(sent) > 15*time.Second {
			t.Errorf("let in %v after the last renewal", let.Sub(sent))
		}
		if until := asked.Add((h.Waited + h.ExpiresIn).Duration()); until.Sub(let) > 8*time.Second || until.Sub(let) < 7*time.Second {
			t.Errorf("after it had waited for %v, it believes for %v", h.Waited, until.Sub(let))
		}
		p := ana.bad("POST", "/v1/renew", wire.RenewCall{Session: session}, wire.SessionOver)
		if len(p.Ended) > 1 || len(p.Ended) == 1 && (p.Ended[0].Reason != "expired" || p.Ended[0].Fence != g.Fence) {
			t.Errorf("%+v", p.Ended)
		}
		ben.release(h)
	})
}

// A request that waits keeps the session alive for far longer than the TTL, also where the http.Server would cut
// it off. Without a request it is over, and its place and its memory are gone.
func TestProgramsWaitAndFallSilent(t *testing.T) {
	inBubble(t, func(b *bubble) {
		ana, ben := b.asker("ana"), b.asker("ben")
		defer ana.idle()
		defer ben.idle()
		g := ana.acquire(wire.AcquireCall{Resource: text})
		stop := make(chan struct{})
		renewed := make(chan struct{})
		go func() {
			defer close(renewed)
			for {
				select {
				case <-stop:
					return
				case <-time.After(3 * time.Second):
					ana.renew(g.Session)
				}
			}
		}()
		call := wire.AcquireCall{Resource: text, Wait: 50}
		for i := range 3 {
			began := time.Now()
			p := ben.bad("POST", "/v1/acquire", call, wire.Locked)
			if d := time.Since(began); d < 49*time.Second || d > 51*time.Second {
				t.Errorf("waited for %v", d)
			}
			if p.Session == "" || call.Session != "" && p.Session != call.Session || p.Snapshot.Mine == nil || p.Snapshot.Mine.Position != 1 || p.Holder.User != "ana" {
				t.Fatalf("round %d: %+v %+v", i, p, p.Snapshot)
			}
			call.Session = p.Session
		}
		if n := b.s.Stats().Programs; n != 2 {
			t.Errorf("%d sessions of programs", n)
		}
		<-time.After(20 * time.Second) // silence
		if got := ana.get(text); got.Waiting != 0 {
			t.Errorf("%d still wait", got.Waiting)
		}
		close(stop)
		<-renewed
		<-time.After(20 * time.Second)
		synctest.Wait()
		if n := b.s.Stats().Programs; n != 0 {
			t.Errorf("%d sessions of programs are left", n)
		}
		if got := ana.get(text); got.State != wire.Lapsed {
			t.Errorf("%s", got.State)
		}
		// Nobody has asked meanwhile: it is taken back, with the same fence.
		if r := ana.renew(g.Session); len(r.Locks) != 1 || r.Locks[0].Fence != g.Fence || r.Session == g.Session {
			t.Errorf("%+v", r)
		}
	})
}

// A server that is to stop sends those away who wait. They keep their places, and their sessions go on.
// Faults: N3
func TestProgramsWaitNoLongerInADrain(t *testing.T) {
	inBubble(t, func(b *bubble) {
		ana, ben := b.asker("ana"), b.asker("ben")
		defer ana.idle()
		defer ben.idle()
		g := ana.acquire(wire.AcquireCall{Resource: text})
		waiting := ben.answers("/v1/acquire", wire.AcquireCall{Resource: text, Wait: 50})
		<-time.After(time.Second)
		began := time.Now()
		drained := make(chan struct{})
		go func() { defer close(drained); b.s.Drain(context.Background()) }()
		p := ben.problem(<-waiting, wire.ShuttingDown)
		if p.Session == "" || p.Snapshot.Mine.Position != 1 || p.RetryAfter == 0 || time.Since(began) > time.Second {
			t.Errorf("%+v after %v", p, time.Since(began))
		}
		if r := ana.renew(g.Session); len(r.Locks) != 1 {
			t.Errorf("%+v", r)
		}
		if r := ben.renew(p.Session); len(r.Places) != 1 || r.Places[0].Position != 1 {
			t.Errorf("%+v", r)
		}
		ben.bad("POST", "/v1/acquire", wire.AcquireCall{Resource: "article/78"}, wire.ShuttingDown)
		<-drained
	})
}

// What is too much is refused with the time after which to come back, or answered at once; nobody else suffers from it.
// Faults: A9
func TestLimitsOfPrograms(t *testing.T) {
	inBubble(t, func(b *bubble) {
		ana, ben, cleo := b.asker("ana"), b.asker("ben"), b.asker("cleo")
		defer ana.idle()
		defer ben.idle()
		defer cleo.idle()
		for range 4 {
			ana.get(text)
		}
		s := ana.do("GET", "/v1/locks/"+text, nil)
		if p := ana.problem(s, wire.RateLimited); p.RetryAfter <= 0 || p.RetryAfter > 1 || s.Header.Get("Retry-After") != "1" {
			t.Errorf("%+v, %q", p, s.Header)
		}
		g := ben.acquire(wire.AcquireCall{Resource: text})
		<-time.After(5 * time.Second)
		ben.renew(g.Session)
		waiting := ana.answers("/v1/acquire", wire.AcquireCall{Resource: text, Wait: 1})
		<-time.After(100 * time.Millisecond)
		began := time.Now()
		s = cleo.do("POST", "/v1/acquire", wire.AcquireCall{Resource: text, Wait: 50})
		p := cleo.problem(s, wire.TooManySessions) // two there are, and may be
		if p.RetryAfter == 0 || time.Since(began) > time.Second {
			t.Errorf("%+v", p)
		}
		q := ana.problem(<-waiting, wire.Locked)
		good[wire.Standing](ana, "POST", "/v1/cancel", wire.CancelCall{Resource: text, Session: q.Session})
		waiting = ana.answers("/v1/acquire", wire.AcquireCall{Resource: text, Wait: 2})
		<-time.After(100 * time.Millisecond)
		ben.release(g)
		h := parsed[wire.Granted](t, <-waiting)
		waiting = ben.answers("/v1/acquire", wire.AcquireCall{Resource: text, Wait: 2})
		<-time.After(100 * time.Millisecond)
		if q := ana.problem(ana.do("POST", "/v1/acquire", wire.AcquireCall{Resource: "article/42", Session: h.Session, Wait: 5}), wire.Locked); q.Session != h.Session || q.Snapshot.Mine.Position != 1 || q.RetryAfter == 0 {
			t.Errorf("one that is too many is answered with %+v", q)
		}
		<-waiting
	}, func(o *server.Options) { o.RequestRate, o.MaxPrograms, o.MaxWaits = 2, 2, 1 })
}
