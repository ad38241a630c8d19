package editlock_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// Faults: B12. A page that did not wait for its first attempt to connect has come back by a second one, when the first gets through: the
// connection that it believes in is closed, but not for good.
func TestLateAttemptDoesNotCostTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, mem.New(), editlock.Config{})
		ana := newPage(t, m, "1", "Ana")
		ana.ask("article/42")
		fence := ana.holds("article/42")
		ana.cut()
		resume := &editlock.Resume{Session: ana.conn.Session(), Epoch: ana.epoch}
		attempt := editlock.Connect{User: ana.user, Resume: resume, Nonce: "one nonce for both"}
		why := make(chan error, 1)
		second := attempt
		second.Closed = func(err error) { why <- err }
		back, err := m.Connect(t.Context(), second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Connect(t.Context(), attempt); err != nil {
			t.Fatal(err)
		}
		if err := <-why; err != editlock.ErrSessionOver {
			t.Errorf("the page was told %v; it should be told to resume", err)
		}
		ana.conn, ana.epoch = back, back.Epoch()
		if err := ana.back(m); err != nil {
			t.Fatal(err)
		}
		if got := ana.holds("article/42"); got != fence {
			t.Errorf("fence %d, before %d", got, fence)
		}
	})
}

// A session whose first record was written without our being told goes on where it is, though it came back before that was known.
func TestResumeBeforeAnUnknownFirstWriteIsKnown(t *testing.T) {
	for _, early := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			inner := mem.New()
			st := &faulty{Store: inner}
			m := open(t, st, editlock.Config{})
			ana := newPage(t, m, "1", "Ana")
			var late []store.Group
			st.fail(func(_ context.Context, batch []store.Group) ([]store.Result, error) {
				if late == nil {
					late = batch
					return nil, store.ErrUnknown
				}
				return nil, store.ErrUnavailable
			})
			if _, err := ana.conn.Acquire(t.Context(), editlock.Request{Resource: doc}); err == nil {
				t.Fatal("granted by a store that is away")
			}
			if _, err := inner.Apply(t.Context(), late); err != nil {
				t.Fatal(err)
			}
			st.fail(nil)
			if !early {
				pass(3 * time.Second)
			}
			ana.silent()
			if err := ana.back(m); err != nil {
				t.Fatal(err)
			}
			ana.ask(doc)
			ana.holds(doc)
			ana.ask("article/2")
			ana.holds("article/2")
			ana.silent()
			if err := ana.back(m); err != nil {
				t.Fatal(err)
			}
			ana.holds("article/2")
		})
	}
}

// A resume whose write went through without our being told, and nobody waits for, has taken the session over all the same: the connection
// before it is closed, and not kept alive with nothing done that it asks for.
func TestUnknownResumeClosesTheConnectionBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		st := &faulty{Store: inner}
		m := open(t, st, editlock.Config{})
		why := make(chan error, 1)
		first := editlock.Connect{User: editlock.User{ID: "1", Name: "Ana"}, Nonce: "1", Closed: func(err error) { why <- err }}
		ana, err := m.Connect(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ana.Acquire(t.Context(), editlock.Request{Resource: doc})
		if err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		st.fail(func(ctx context.Context, batch []store.Group) ([]store.Result, error) {
			_, _ = inner.Apply(ctx, batch)
			leave() // nobody waits to be told what became of it
			st.fail(nil)
			return nil, store.ErrUnknown
		})
		second := editlock.Connect{User: first.User, Nonce: "2", Resume: &editlock.Resume{Session: ana.Session(), Epoch: 1}}
		if _, err := m.Connect(ctx, second); err == nil {
			t.Fatal("welcomed though nobody waited")
		}
		pass(5 * time.Second)
		select {
		case got := <-why:
			if got != editlock.ErrReplaced {
				t.Errorf("closed with %v", got)
			}
		default:
			t.Error("the connection stays, and nothing that it asks is done:")
			_, err := ana.Release(t.Context(), doc, s.Mine.Fence, "")
			t.Error(err)
		}
		back, err := m.Connect(t.Context(), second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := back.Confirm(t.Context(), doc, s.Mine.Fence); err != nil {
			t.Error(err)
		}
	})
}

// A page that has come back, and then gives its lock or its place away, goes on to hear what becomes of the resource, as it did before.
func TestPageThatCameBackGoesOnWatching(t *testing.T) {
	for name, give := range map[string]func(t *testing.T, ana *page){
		"holder": func(t *testing.T, ana *page) {
			if _, err := ana.conn.Release(t.Context(), doc, ana.holds(doc), ""); err != nil {
				t.Fatal(err)
			}
		},
		"waiter": func(t *testing.T, ana *page) {
			ana.waits(doc, 1)
			if _, err := ana.conn.Cancel(t.Context(), doc); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := open(t, mem.New(), editlock.Config{})
				ana, ben := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
				first, second := ana, ben
				if name == "waiter" {
					first, second = ben, ana
				}
				first.ask(doc)
				first.holds(doc)
				second.ask(doc)
				ana.cut()
				if err := ana.back(m); err != nil {
					t.Fatal(err)
				}
				give(t, ana)
				fence := ben.holds(doc)
				if s := ana.now(doc); s.Holder == nil || s.Holder.Fence != fence {
					t.Errorf("Ben holds, but Ana sees %+v", s)
				}
				if _, err := ben.conn.Release(t.Context(), doc, fence, ""); err != nil {
					t.Fatal(err)
				}
				settle()
				if s := ana.now(doc); s.State != editlock.Free {
					t.Errorf("it is free, but Ana sees %+v", s)
				}
			})
		})
	}
}

// A resume on another node whose write went through without that node being told is told what it has, as any other.
func TestUnknownResumeElsewhereIsToldWhatItHas(t *testing.T) {
	for _, apart := range []bool{false, true} { // two attempts of the page, or one that finds out by itself
		synctest.Test(t, func(t *testing.T) {
			inner := mem.New()
			st := &faulty{Store: hintless{inner}}
			one, two := open(t, inner, editlock.Config{}), open(t, st, editlock.Config{})
			pass(2100 * time.Millisecond) // since it looked
			ana := newPage(t, one, "1", "Ana")
			ana.ask(doc)
			fence := ana.holds(doc)
			ana.silent()
			ctx, leave := context.WithCancel(t.Context())
			st.fail(func(ctx context.Context, batch []store.Group) ([]store.Result, error) {
				st.fail(nil)
				_, _ = inner.Apply(ctx, batch)
				if apart {
					leave()
				}
				return nil, store.ErrUnknown
			})
			again := editlock.Connect{User: ana.user, Nonce: "again", Resume: &editlock.Resume{Session: ana.conn.Session(), Epoch: ana.epoch}}
			c, err := two.Connect(ctx, again)
			if apart {
				c, err = two.Connect(t.Context(), again)
			}
			if err != nil {
				t.Fatal(err)
			}
			if had := c.Snapshots(); len(had) != 1 || had[0].Mine.State != editlock.MineHeld || had[0].Mine.Fence != fence {
				t.Errorf("it holds with fence %d, and was told %+v", fence, had)
			}
			leave()
		})
	}
}

// A page that has come to another node repeats the attempt, since the answer was lost, and then falls silent. What the node before may have
// acknowledged is waited for all the same.
// Faults: B12
func TestRepeatedAttemptTakesNoTime(t *testing.T) {
	twoNodes(t, func(t *testing.T, one, two *editlock.Manager, _ time.Duration) {
		ana, ben := newPage(t, one, "1", "Ana"), newPage(t, two, "2", "Ben")
		ana.ask(doc)
		ana.holds(doc)
		ben.ask(doc)
		ana.silent()
		attempt := editlock.Connect{User: ana.user, Resume: &editlock.Resume{Session: ana.conn.Session(), Epoch: ana.epoch}, Nonce: "one nonce for both"}
		for range 2 {
			if _, err := two.Connect(t.Context(), attempt); err != nil {
				t.Fatal(err)
			}
		}
		pass(40 * time.Second) // 10 s, the TTL and 1 s
		ben.waits(doc, 1)
		pass(5 * time.Second) // and the pause
		ben.holds(doc)
	})
}
