package client_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
)

// A lock that is released while in doubt is free at that moment, and not when somebody would have stopped to wait for it.
func TestReleasedInDoubtIsFreeAtOnce(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		ana := w.session("1", "Ana")
		a := w.acquire(ana)
		w.net.cut()
		<-a.Context().Done()
		w.net.heal()
		if _, err := ana.Try(t.Context(), "article/43"); err != nil {
			t.Fatal(err)
		}
		if err := a.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if snap, err := w.m.Get(t.Context(), doc); err != nil || snap.State != editlock.Free {
			t.Errorf("%s, %v", snap.State, err)
		}
	})
}

// The store fails between the grant to who waits and the confirmation: it is asked again, and the caller hears nothing of it.
// Faults: D1, Q1
func TestStoreFailsBeforeTheConfirmation(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		ana, ben := w.session("1", "Ana"), w.session("2", "Ben")
		a := w.acquire(ana)
		waiting := w.waits(ben, 1)
		pass(time.Minute) // nothing else is under way
		w.st.failAfter(1)
		if err := a.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Second)
		w.st.set(false)
		began := time.Now()
		w.holds(w.got(waiting))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("let in %v after the store was back", took)
		}
	})
}

// While there is no server, one that holds or waits tries at least every five seconds, one that does neither now and then; after
// that the first end of a connection is made good within four seconds again.
// Faults: N2
func TestHowOftenItComesBack(t *testing.T) {
	for name, holds := range map[string]bool{"a holder": true, "nobody": false} {
		t.Run(name, func(t *testing.T) {
			virtual(t, roomy, func(t *testing.T, w *world) {
				var down atomic.Bool
				dials := make(chan time.Time, 1000)
				ana := w.session("1", "Ana", func(o *client.Options) {
					o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
						dials <- time.Now()
						if down.Load() {
							return nil, errors.New("connection refused")
						}
						return w.net.dial(ctx, network, address)
					}
				})
				if holds {
					w.acquire(ana)
				}
				down.Store(true)
				w.net.reset()
				pass(10 * time.Minute)
				down.Store(false)
				if err := w.askedAgain(ana); err != nil {
					t.Fatal(err)
				}
				longest, last := time.Duration(0), <-dials
				for len(dials) > 0 {
					at := <-dials
					longest, last = max(longest, at.Sub(last)), at
				}
				if holds && longest > 5*time.Second || !holds && (longest <= 5*time.Second || longest > 20*time.Second) {
					t.Errorf("at most %v between two attempts", longest)
				}
				for range 8 {
					began := time.Now()
					w.net.reset()
					if took := (<-dials).Sub(began); took > 4*time.Second {
						t.Errorf("back after %v", took)
					}
					if err := w.askedAgain(ana); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

// askedAgain waits until a session has a connection, without wanting anything of it for longer.
func (w *world) askedAgain(s *client.Session) error {
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		var news <-chan editlock.Snapshot
		if news, err = s.Watch(ctx, "article/99"); err == nil {
			<-news
			return nil
		}
	}
	return err
}

// A session that was closed takes nothing along: its locks are not believed in from that moment on, and it makes room for another
// one well before its time.
func TestClosedSessionMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		w := start(t, p, editlock.Config{MaxSessions: 1}, roomy)
		w.net.to = p
		o := w.options(editlock.User{ID: "1", Name: "Ana"})
		ana, err := client.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		a := w.acquire(ana)
		if _, err := client.Open(t.Context(), o); !errors.Is(err, editlock.ErrTooManySessions) {
			t.Fatal(err)
		}
		if err := ana.Close(); err != nil {
			t.Fatal(err)
		}
		if cause := context.Cause(a.Context()); !errors.Is(cause, editlock.ErrUnsure) {
			t.Errorf("after Close the lock ended by %v", cause)
		}
		pass(6 * time.Second) // a bye takes 5
		again, err := client.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		_ = again.Close()
	})
}

// What one was allowed to watch, and is not any more when the client comes back, ends: nobody waits for news that never come.
func TestWatchOfAWithdrawnRight(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		var withdrawn atomic.Bool
		s := w.session("1", "Ana", func(o *client.Options) {
			o.Token = func(context.Context) (string, error) {
				rights := []string{"edit:**"}
				if withdrawn.Load() {
					rights = []string{"edit:note/*"}
				}
				return appKey.Sign("JWT", map[string]any{
					"sub": "1", "rights": rights, "iss": "app", "aud": "editlock", "exp": time.Now().Add(20 * time.Second).Unix(),
				})
			}
		})
		var all []<-chan editlock.Snapshot
		for _, what := range []string{doc, "article/", "note/1"} {
			news, err := s.Watch(t.Context(), what)
			if err != nil {
				t.Fatal(err)
			}
			if what != "article/" {
				<-news
			}
			all = append(all, news)
		}
		withdrawn.Store(true)
		pass(10 * time.Second)
		w.net.reset()
		for i, news := range all[:2] {
			select {
			case _, ok := <-news:
				if ok {
					t.Errorf("%d: there is news", i)
				}
			case <-time.After(patience):
				t.Errorf("%d: it goes on", i)
			}
		}
		select {
		case snap, ok := <-all[2]:
			if !ok || snap.Resource != "note/1" {
				t.Errorf("%+v, %t", snap, ok)
			}
		case <-time.After(patience):
			t.Error("what is allowed yet is not told")
		}
	})
}
