package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
)

// waits starts to acquire, and returns when the session is in the queue.
func (w *world) waits(s editlock.Session, position int) <-chan *client.Lock {
	w.Helper()
	ch := make(chan *client.Lock, 1)
	go func() {
		lock, err := s.Acquire(w.Context(), doc)
		if err != nil {
			if w.Context().Err() == nil {
				w.Error(err)
			}
			close(ch)
			return
		}
		ch <- lock.(*client.Lock)
	}()
	w.until("a place in the queue", func(snap editlock.Snapshot) bool { return snap.Waiting == position })
	return ch
}

// until waits until the Manager shows doc as ok wants it.
func (w *world) until(what string, ok func(editlock.Snapshot) bool) editlock.Snapshot {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	eye, err := w.m.Session(ctx, editlock.User{ID: "eye"})
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = eye.Close() }()
	news, err := eye.Watch(ctx, doc)
	if err != nil {
		w.Fatal(err)
	}
	var last editlock.Snapshot
	for snap := range news {
		if last = snap; ok(snap) {
			return snap
		}
	}
	w.Fatalf("%s does not come: %+v", what, last)
	return last
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }

// got waits for a lock.
func (w *world) got(ch <-chan *client.Lock) *client.Lock {
	w.Helper()
	select {
	case lock, ok := <-ch:
		if !ok {
			w.Fatal("no lock") // why was said
		}
		return lock
	case <-time.After(patience):
		w.Fatal("no grant")
		return nil
	}
}

func (w *world) holds(k *client.Lock) {
	w.Helper()
	if k.Context().Err() != nil {
		w.Fatalf("the lock is lost: %v", context.Cause(k.Context()))
	}
}

// Faults: W1, B12. Connections that end, one after the other, cost neither the lock nor the place.
func TestConnectionsThatEnd(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		ana, ben := w.session("1", "Ana"), w.session("2", "Ben")
		a := w.acquire(ana)
		waiting := w.waits(ben, 1)
		for range 10 {
			w.net.reset()
			pass(20 * time.Second)
			w.holds(a)
		}
		if err := a.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := w.got(waiting)
		w.holds(b)
		if b.Fence() <= a.Fence() {
			t.Errorf("fence %d after %d", b.Fence(), a.Fence())
		}
	})
}

// Faults: W1. A connection that is dead without a word: the client opens another, well before anything is lost.
func TestHalfOpenConnection(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		ana, ben := w.session("1", "Ana"), w.session("2", "Ben")
		a := w.acquire(ana)
		waiting := w.waits(ben, 1)
		for range 3 {
			w.net.kill()
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if _, err := ana.Acquire(ctx, "article/43"); err != nil {
				t.Fatal(err)
			}
			cancel()
			cfg := w.m.Config()
			if took, most := time.Since(began), cfg.Heartbeat()*11/10+cfg.PongTimeout()+5*time.Second; took > most {
				t.Errorf("connected again after %v, want at most %v", took, most)
			}
			pass(time.Minute)
			w.holds(a)
		}
		if err := a.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.holds(w.got(waiting))
	})
}

// Faults: W2, S5. A network that is cut in silence: the holder stops to believe before the server lets the next one in.
func TestCutOffHolderStopsBeforeTheNextIsLetIn(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		ana := w.session("1", "Ana")
		other := &network{to: w.net.to}
		ben := w.session("2", "Ben", func(o *client.Options) { o.Dial = other.dial })
		a := w.acquire(ana)
		waiting := w.waits(ben, 1)
		pass(time.Minute)
		w.holds(a)
		w.net.cut()
		began := time.Now()
		<-a.Context().Done()
		stopped := time.Now()
		if !errors.Is(context.Cause(a.Context()), editlock.ErrUnsure) {
			t.Errorf("the cause is %v", context.Cause(a.Context()))
		}
		b := w.got(waiting)
		granted := time.Now()
		if ttl := w.m.Config().TTL; granted.Sub(stopped) < w.m.Config().Margin() || granted.Sub(began) > ttl+5*time.Second {
			t.Errorf("Ana stopped after %v, Ben was let in after %v", stopped.Sub(began), granted.Sub(began))
		}
		w.net.heal()
		w.holds(b)
		_, err := ana.Try(t.Context(), doc)
		if !errors.Is(err, editlock.ErrLocked) {
			t.Errorf("Ana tries again: %v", err)
		}
	})
}

// Faults: W1, W2. Cut off for long, and nobody else came: the same lock again, with the same fence.
func TestCutOffForLongAndTakenUpAgain(t *testing.T) {
	for _, away := range []time.Duration{time.Minute, 8 * time.Minute} {
		virtual(t, roomy, func(t *testing.T, w *world) {
			ana := w.session("1", "Ana")
			a := w.acquire(ana)
			w.net.cut()
			<-a.Context().Done()
			pass(away)
			again := make(chan *client.Lock, 1)
			go func() {
				lock, err := ana.Acquire(t.Context(), doc)
				if err != nil {
					t.Error(err)
				}
				again <- lock.(*client.Lock)
			}()
			w.net.heal()
			b := w.got(again)
			if b.Fence() != a.Fence() || b == a {
				t.Fatalf("after %v: fence %d, before %d", away, b.Fence(), a.Fence())
			}
			pass(5 * time.Minute)
			w.holds(b)
		})
	}
}

// What was held when the network went, and nobody comes back for, is free soon after the network is back.
func TestCutOffForLongAndGivenUp(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		ana := w.session("1", "Ana")
		a := w.acquire(ana)
		w.net.cut()
		<-a.Context().Done()
		pass(time.Minute)
		w.net.heal()
		healed := time.Now()
		w.until("a free resource", func(s editlock.Snapshot) bool { return s.State == editlock.Free })
		if took := time.Since(healed); took > time.Minute {
			t.Errorf("free after %v", took)
		}
	})
}

// A lock that somebody was given meanwhile is lost with its reason, not merely doubted.
func TestTakenAwayWhileCutOff(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		ana := w.session("1", "Ana")
		a := w.acquire(ana)
		w.net.cut()
		tab, err := w.m.Connect(t.Context(), editlock.Connect{User: editlock.User{ID: "1", Name: "Ana"}, Nonce: "x"})
		if err != nil {
			t.Fatal(err)
		}
		defer tab.Disconnect()
		if _, err := tab.Acquire(t.Context(), editlock.Request{Resource: doc, Move: true}); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Second)
		w.holds(a) // she cannot know
		w.net.reset()
		w.net.heal()
		<-a.Context().Done()
		var lost *editlock.LostError
		if !errors.As(context.Cause(a.Context()), &lost) || lost.Reason != "handed_over" || !errors.Is(lost, editlock.ErrStale) {
			t.Errorf("the cause is %v", context.Cause(a.Context()))
		}
	})
}

// Faults: D3, Q3. Whatever is given up while the network is cut is given back when it is whole: nothing is held that no caller knows of.
func TestGivenUpWhileCutOff(t *testing.T) {
	t.Run("an acquire on its way", func(t *testing.T) {
		virtual(t, roomy, func(t *testing.T, w *world) {
			ana := w.session("1", "Ana")
			w.net.cut()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if _, err := ana.Acquire(ctx, doc); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			w.net.heal()
			w.until("what was given up is free", func(s editlock.Snapshot) bool { return s.State == editlock.Free })
		})
	})
	t.Run("a release", func(t *testing.T) {
		virtual(t, roomy, func(t *testing.T, w *world) {
			ana := w.session("1", "Ana")
			a := w.acquire(ana)
			w.net.cut()
			if err := a.Release(t.Context()); !errors.Is(err, editlock.ErrUnavailable) && !errors.Is(err, editlock.ErrUnknownOutcome) {
				t.Fatalf("the release: %v", err)
			}
			w.net.reset()
			w.net.heal()
			healed := time.Now()
			w.until("what was released is free", func(s editlock.Snapshot) bool { return s.State == editlock.Free })
			if took := time.Since(healed); took > 20*time.Second {
				t.Errorf("free after %v", took)
			}
		})
	})
	t.Run("a try", func(t *testing.T) {
		virtual(t, roomy, func(t *testing.T, w *world) {
			ana := w.session("1", "Ana")
			w.net.cut()
			began := time.Now()
			if _, err := ana.Try(t.Context(), doc); !errors.Is(err, editlock.ErrUnavailable) && !errors.Is(err, editlock.ErrUnknownOutcome) {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 11*time.Second {
				t.Errorf("a call that does not wait took %v", took)
			}
			w.net.heal()
			w.until("what was tried for is free", func(s editlock.Snapshot) bool { return s.State == editlock.Free })
		})
	})
	t.Run("a session", func(t *testing.T) {
		virtual(t, roomy, func(t *testing.T, w *world) {
			ana := w.session("1", "Ana")
			w.acquire(ana)
			w.net.cut()
			if err := ana.Close(); !errors.Is(err, editlock.ErrUnavailable) {
				t.Fatalf("the close: %v", err)
			}
			began := time.Now()
			ben := w.m
			s, err := ben.Session(t.Context(), editlock.User{ID: "2", Name: "Ben"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Acquire(t.Context(), doc); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > w.m.Config().TTL+5*time.Second {
				t.Errorf("Ben was let in after %v", took)
			}
		})
	})
}

// News that were missed come when the network is back, those of a prefix too: also of what was freed meanwhile.
func TestWatchGoesOn(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		s, err := w.m.Session(t.Context(), editlock.User{ID: "1", Name: "Ana"})
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Acquire(t.Context(), doc)
		if err != nil {
			t.Fatal(err)
		}
		eye := w.session("9", "Eye")
		other, err := s.Acquire(t.Context(), "article/44") // seen by the prefix alone
		if err != nil {
			t.Fatal(err)
		}
		one, err := eye.Watch(t.Context(), doc)
		if err != nil {
			t.Fatal(err)
		}
		all, err := eye.Watch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if snap := <-one; snap.Resource != doc || snap.State != editlock.Held {
			t.Fatalf("%+v", snap)
		}
		told := map[string]editlock.State{}
		for told[doc] != editlock.Held || told["article/44"] != editlock.Held {
			snap := <-all
			told[snap.Resource] = snap.State
		}
		w.net.cut()
		if err := other.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := a.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Acquire(t.Context(), "article/43"); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		w.net.heal()
		if snap := <-one; snap.State != editlock.Free {
			t.Fatalf("%+v", snap)
		}
		for told[doc] != editlock.Free || told["article/44"] != editlock.Free || told["article/43"] != editlock.Held {
			snap := <-all
			told[snap.Resource] = snap.State
		}
		b, err := s.Acquire(t.Context(), doc)
		if err != nil {
			t.Fatal(err)
		}
		for snap := range one {
			if snap.State == editlock.Held {
				break
			}
		}
		if err := b.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		for snap := range one {
			if snap.State == editlock.Free {
				break
			}
		}
	})
}
