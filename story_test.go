package editlock_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store/mem"
)

const doc = "article/42"

// story runs f in a bubble of virtual time with a fresh Manager.
func story(t *testing.T, f func(t *testing.T, m *editlock.Manager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, open(t, mem.New(), editlock.Config{})) })
}

// Faults: B8. The holder's machine loses power while somebody waits.
func TestSilentHolderGivesWayWithinTTLAndFiveSeconds(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana, ben := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
		ana.ask(doc)
		first := ana.holds(doc)
		ben.ask(doc)
		ben.waits(doc, 1)
		ana.silent()
		start := time.Now()
		pass(m.Config().TTL - m.Config().Heartbeat() - time.Second)
		ben.waits(doc, 1) // her last sign of life may be a heartbeat old, but no older
		for ben.mine(doc).State != editlock.MineHeld {
			if pass(100 * time.Millisecond); time.Since(start) > m.Config().TTL+5*time.Second {
				t.Fatalf("Ben still waits %v after Ana fell silent", time.Since(start))
			}
		}
		if fence := ben.holds(doc); fence <= first {
			t.Fatalf("fence %d after %d", fence, first)
		}
		if got := reasons(t, m, doc); !slices.Equal(got, []editlock.Reason{editlock.Expired}) {
			t.Fatal(got)
		}
		// What Ana still sends changes nothing.
		if _, err := ana.conn.Confirm(t.Context(), doc, first); err == nil {
			t.Fatal("a late confirm was taken")
		}
		if _, err := ana.conn.Release(t.Context(), doc, first, ""); err == nil {
			t.Fatal("the session is over: it should be told")
		}
		ben.holds(doc)
	})
}

// Faults: B3. A laptop sleeps for eight minutes; nobody asked meanwhile.
func TestLapsedLockIsTakenBackWithTheSameFence(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana, watcher := newPage(t, m, "1", "Ana"), newPage(t, m, "9", "Watcher")
		ana.ask(doc)
		fence := ana.holds(doc)
		if _, err := watcher.conn.Watch(t.Context(), doc, 0); err != nil {
			t.Fatal(err)
		}
		ana.silent()
		pass(m.Config().TTL + 2*time.Second)
		if s := watcher.now(doc); s.State != editlock.Lapsed || s.Holder.User.Name != "Ana" {
			t.Fatalf("%+v", s)
		}
		if err := ana.wasClosed(); !errors.Is(err, editlock.ErrSessionOver) {
			t.Fatalf("closed with %v", err)
		}
		pass(8 * time.Minute)
		if err := ana.back(m); err != nil {
			t.Fatal(err)
		}
		if got := ana.holds(doc); got != fence {
			t.Fatalf("fence %d, before %d", got, fence)
		}
		if s := watcher.now(doc); s.State != editlock.Held {
			t.Fatalf("%+v", s)
		}
		if got := reasons(t, m, doc); len(got) != 0 {
			t.Fatal("nothing ended, but history says", got)
		}
	})
}

// Faults: B3. A laptop sleeps over night: the lock ends, with the time at which it really did.
func TestLapsedLockEndsWithItsTrueTime(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana := newPage(t, m, "1", "Ana")
		ana.ask(doc)
		fence := ana.holds(doc)
		asleep := time.Now()
		ana.silent()
		pass(8 * time.Hour)
		free(t, m, doc)
		entries, _, err := m.History(t.Context(), doc, "", 10)
		if err != nil || len(entries) != 2 || entries[1].Ended.Reason != editlock.Expired {
			t.Fatal(entries, err)
		}
		if over := entries[1].Ended.Over.Sub(asleep); over > m.Config().TTL+2*time.Second {
			t.Fatalf("history says that it ended %v after she slept", over)
		}
		if err := ana.back(m); err != nil {
			t.Fatal(err)
		}
		if n := len(ana.conn.Snapshots()); n != 0 {
			t.Fatal("she was given back", n)
		}
		s, err := ana.conn.Watch(t.Context(), doc, fence)
		if err != nil || s.Ended == nil || s.Ended.Reason != editlock.Expired {
			t.Fatalf("she is not told how it ended: %+v %v", s, err)
		}
	})
}

// A tab that is closed frees its lock after the 5 s that a reload may take; a reload keeps it.
// Faults: B4, B5.
func TestCloseFreesAfterFiveSecondsReloadKeeps(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana, ben := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
		ana.ask(doc)
		fence := ana.holds(doc)
		ben.ask(doc)
		ana.leave()
		pass(3 * time.Second)
		ben.waits(doc, 1)
		if err := ana.back(m); err != nil {
			t.Fatal(err)
		}
		if got := ana.holds(doc); got != fence {
			t.Fatalf("fence %d, before %d", got, fence)
		}
		pass(time.Minute)
		ben.waits(doc, 1)
		ana.leave()
		pass(4500 * time.Millisecond)
		ben.waits(doc, 1)
		pass(2 * time.Second)
		ben.holds(doc)
		if got := reasons(t, m, doc); !slices.Equal(got, []editlock.Reason{editlock.Left}) {
			t.Fatal(got)
		}
	})
}

// Faults: B12. The old connection's goodbye arrives after the new one is there.
func TestLateDisconnectAndLateByeChangeNothing(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana, ben := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
		ana.ask(doc)
		fence := ana.holds(doc)
		ben.ask(doc)
		old, epoch := ana.conn, ana.epoch
		ana.silent()
		if err := ana.back(m); err != nil {
			t.Fatal(err)
		}
		old.Disconnect()
		if err := m.Bye(t.Context(), old.Session(), epoch); err != nil {
			t.Fatal(err)
		}
		if _, err := old.Release(t.Context(), doc, fence, ""); !errors.Is(err, editlock.ErrReplaced) {
			t.Fatal(err)
		}
		if old.Heard() {
			t.Fatal("the old connection is still heard")
		}
		pass(5 * time.Minute)
		if got := ana.holds(doc); got != fence {
			t.Fatalf("fence %d, before %d", got, fence)
		}
		ben.waits(doc, 1)
	})
}

// Faults: B11. A copied resume token.
func TestResumeTokenIsUsedOnce(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana := newPage(t, m, "1", "Ana")
		ana.ask(doc)
		fence := ana.holds(doc)
		stolen := editlock.Resume{Session: ana.conn.Session(), Epoch: ana.epoch}
		ana.cut()
		if err := ana.back(m); err != nil {
			t.Fatal(err)
		}
		connect := func(user, nonce string) (*editlock.Conn, error) {
			return m.Connect(t.Context(), editlock.Connect{
				User: editlock.User{ID: user}, Resume: &stolen, Nonce: nonce,
				Notify: func(editlock.Snapshot) {}, Closed: func(error) {},
			})
		}
		if _, err := connect("1", "another"); !errors.Is(err, editlock.ErrResumeReused) {
			t.Fatalf("a copy with another nonce: %v", err)
		}
		if _, err := connect("2", "another"); !errors.Is(err, editlock.ErrResumeRefused) {
			t.Fatalf("a copy by another user: %v", err)
		}
		ana.holds(doc)
		// The answer got lost, and the page repeats its attempt.
		again, err := connect("1", fmt.Sprint("1", ana.nonce))
		if err != nil || again.Epoch() != ana.epoch || again.Snapshots()[0].Mine.Fence != fence {
			t.Fatal(again, err)
		}
		if err := ana.wasClosed(); !errors.Is(err, editlock.ErrSessionOver) { // it may be the one that the page believes in
			t.Fatalf("the connection of the same attempt was closed with %v", err)
		}
	})
}

// Faults: Q1, Q2. The first waiter's page has gone.
func TestUnconfirmedGrantPassesOn(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana, ben, cleo := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben"), newPage(t, m, "3", "Cleo")
		ana.ask(doc)
		ben.ask(doc)
		cleo.ask(doc)
		ben.absent = true // its tab answers heartbeats, but its script hangs
		fence := ana.holds(doc)
		if _, err := ana.conn.Release(t.Context(), doc, fence, "18"); err != nil {
			t.Fatal(err)
		}
		pass(9 * time.Second)
		cleo.waits(doc, 1)
		pass(1100 * time.Millisecond)
		cleo.holds(doc)
		if v := cleo.now(doc).Version; v != "18" {
			t.Fatalf("Cleo is told of version %q", v)
		}
		if s := ben.mine(doc); s.State != editlock.MineAbsent || s.Position != 1 {
			t.Fatalf("Ben: %+v", s)
		}
		ben.absent = false
		ben.ask(doc)
		ben.waits(doc, 1)
		if _, err := cleo.conn.Release(t.Context(), doc, cleo.holds(doc), ""); err != nil {
			t.Fatal(err)
		}
		ben.holds(doc)
		ben.leave()
		pass(6 * time.Second)
		free(t, m, doc)
	})
}

// Faults: B7. One user in two tabs.
func TestSecondTabIsToldAndMayMoveTheEditingHere(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		one, two, ben := newPage(t, m, "1", "Ana"), newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
		one.ask(doc)
		first := one.holds(doc)
		ben.ask(doc)
		two.ask(doc)
		if s := two.now(doc); !s.Holder.Yours || s.Holder.You {
			t.Fatalf("%+v", s.Holder)
		}
		s, err := two.conn.Acquire(t.Context(), editlock.Request{Resource: doc, Move: true})
		if err != nil {
			t.Fatal(err)
		}
		two.notify(s)
		if second := two.holds(doc); second <= first {
			t.Fatal("the fence did not rise")
		}
		if why := one.why(); len(why) != 1 || why[0].Reason != editlock.HandedOver {
			t.Fatalf("the first tab was told %+v", why)
		}
		ben.waits(doc, 1)
		one.leave()
		pass(time.Minute)
		two.holds(doc)
		if _, err := ben.conn.Acquire(t.Context(), editlock.Request{Resource: doc, Move: true}); err != nil {
			t.Fatal(err)
		}
		ben.waits(doc, 1)
	})
}

// Faults: Q3, Q7. A cancel that crosses a grant; releases that come twice or late.
func TestCancelAndReleaseMayComeAtAnyTime(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		for i := range 200 {
			ana, ben := newPage(t, m, fmt.Sprint("a", i), "Ana"), newPage(t, m, fmt.Sprint("b", i), "Ben")
			ana.ask(doc)
			ben.ask(doc)
			fence := ana.holds(doc)
			go func() {
				if _, err := ana.conn.Release(t.Context(), doc, fence, ""); err != nil {
					t.Error(err)
				}
			}()
			go func() {
				if s, err := ben.conn.Cancel(t.Context(), doc); err != nil {
					t.Error(err)
				} else if s.Mine.State == editlock.MineHeld {
					ben.notify(s)
				}
			}()
			settle()
			for range 2 {
				s, err := ana.conn.Release(t.Context(), doc, fence, "")
				if err != nil || s.Mine.State != editlock.MineNone {
					t.Fatal(s, err)
				}
			}
			if s := ben.mine(doc); s.State == editlock.MineHeld {
				// His page had confirmed before the cancel arrived: then it is his, and he knows.
				if _, err := ben.conn.Release(t.Context(), doc, s.Fence, ""); err != nil {
					t.Fatal(err)
				}
			}
			free(t, m, doc)
			ana.cut()
			ben.cut()
		}
	})
}
