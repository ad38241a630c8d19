package editlock_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// An administrator ends a hold: whoever holds hears why at once, in a page and in this program, the first waiter is let in, the
// history says who did it and why, and to do it twice hits nobody else.
// Faults: Q7
func TestForceRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, mem.New(), editlock.Config{})
		boss := editlock.User{ID: "9", Name: "The boss"}
		ana := session(t, m, "1", "Ana")
		lock, err := ana.Acquire(t.Context(), doc)
		if err != nil {
			t.Fatal(err)
		}
		ben, cleo := newPage(t, m, "2", "Ben"), newPage(t, m, "3", "Cleo")
		ben.ask(doc)
		cleo.ask(doc)
		settle()

		snap, ended, err := m.ForceRelease(t.Context(), doc, lock.Fence(), boss, "she is on holiday")
		if err != nil || ended == nil || ended.Reason != editlock.Forced || ended.Fence != lock.Fence() {
			t.Fatalf("%+v, %v", ended, err)
		}
		if snap.Holder == nil || snap.Holder.User.ID != "2" {
			t.Errorf("after it %+v holds", snap.Holder)
		}
		var lost *editlock.LostError
		if settle(); !errors.As(causeOf(lock), &lost) || lost.Reason != editlock.Forced || lost.By.ID != "2" {
			t.Errorf("the program hears %v", causeOf(lock))
		}
		fence := ben.holds(doc)
		cleo.waits(doc, 1)

		again, was, err := m.ForceRelease(t.Context(), doc, lock.Fence(), boss, "she is on holiday")
		if err != nil || was == nil || *was != *ended || again.Holder.Fence != fence {
			t.Errorf("the second time: %+v, %+v, %v", again.Holder, was, err)
		}
		ben.holds(doc)

		if _, _, err := m.ForceRelease(t.Context(), doc, 0, boss, "so is he"); err != nil {
			t.Fatal(err)
		}
		settle()
		cleo.holds(doc)
		if got := ben.why(); len(got) != 1 || got[0].Reason != editlock.Forced || got[0].Fence != fence {
			t.Errorf("the page hears %+v", got)
		}

		entries, _, err := m.History(t.Context(), doc, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, e := range entries {
			if e.Ended != nil {
				told = append(told, fmt.Sprintf("%s: %s by %s %s: %s", e.Ended.Name, e.Ended.Reason, e.Ended.By, e.Ended.ByName, e.Ended.Text))
			}
		}
		if want := "Ana: forced by 9 The boss: she is on holiday, Ben: forced by 9 The boss: so is he"; strings.Join(told, ", ") != want {
			t.Errorf("history: %q", told)
		}
		for _, c := range []struct {
			by  editlock.User
			why string
		}{{boss, " "}, {boss, strings.Repeat("x", 257)}, {editlock.User{}, "because"}} {
			if _, _, err := m.ForceRelease(t.Context(), doc, 0, c.by, c.why); !errors.Is(err, editlock.ErrBadRequest) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if _, ended, err := m.ForceRelease(t.Context(), "article/nobody", 0, boss, "because"); ended != nil || err != nil {
			t.Errorf("what nobody holds: %+v, %v", ended, err)
		}
	})
}

// A list has every resource once, in order, and no name that the caller may not see.
// Faults: A11
func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, mem.New(), editlock.Config{})
		ana, ben := session(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
		for i := range 7 {
			for _, kind := range []string{"article", "secret"} {
				lock, err := ana.Acquire(t.Context(), fmt.Sprintf("%s/%d", kind, i))
				if err != nil {
					t.Fatal(err)
				}
				if i == 3 {
					_ = lock.Release(t.Context())
				}
			}
		}
		ben.ask("article/0")
		settle()
		seen := func(name string) bool { return strings.HasPrefix(name, "article/") }
		var got []string
		pages := 0
		for cursor := ""; ; pages++ {
			snaps, next, err := m.List(t.Context(), "", cursor, 2, seen)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range snaps {
				got = append(got, fmt.Sprintf("%s %s %d", s.Resource, s.Holder.User.Name, s.Waiting))
			}
			if cursor = next; next == "" {
				break
			}
		}
		want := "article/0 Ana 1,article/1 Ana 0,article/2 Ana 0,article/4 Ana 0,article/5 Ana 0,article/6 Ana 0"
		if strings.Join(got, ",") != want || pages != 2 {
			t.Errorf("got %q on %d pages", got, pages+1)
		}
		if snap, err := m.Get(t.Context(), "article/3"); err != nil || snap.State != editlock.Free || snap.Holder != nil {
			t.Errorf("%+v, %v", snap, err)
		}
		if snap, err := m.Get(t.Context(), "article/0"); err != nil || snap.Holder.User.Name != "Ana" || snap.Waiting != 1 {
			t.Errorf("%+v, %v", snap, err)
		}
	})
}

// What has ended in order leaves nothing behind, and its token begins anew.
func TestEndOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		m := open(t, st, editlock.Config{MaxSessions: 1})
		for range 3 { // more than may be at once
			c, err := m.Connect(t.Context(), editlock.Connect{User: editlock.User{ID: "1", Name: "Ana"}, Nonce: "n"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Acquire(t.Context(), editlock.Request{Resource: doc}); err != nil {
				t.Fatal(err)
			}
			if standing, err := c.Standing(t.Context()); err != nil || len(standing) != 1 || standing[0].Mine.State != editlock.MineGranted {
				t.Fatalf("%+v, %v", standing, err)
			}
			if err := c.End(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := c.End(t.Context()); !errors.Is(err, editlock.ErrReplaced) {
				t.Errorf("the second time: %v", err)
			}
			free(t, m, doc)
			again, err := m.Connect(t.Context(), editlock.Connect{
				User: editlock.User{ID: "1", Name: "Ana"}, Nonce: "n", Resume: &editlock.Resume{Session: c.Session(), Epoch: c.Epoch()},
			})
			if err != nil || again.Session() == c.Session() || again.Resumed() {
				t.Fatalf("%+v, %v", again, err)
			}
			if err := again.End(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if recs, err := st.List(t.Context(), "session/", "", 10); err != nil || len(recs) != 0 {
			t.Errorf("%d records of sessions are left, %v", len(recs), err)
		}
		pass(time.Second)
	})
}

// A fence says which grant, also without its session.
func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, mem.New(), editlock.Config{})
		ana, ben := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
		ana.ask(doc)
		settle()
		fence := ana.holds(doc)
		for _, c := range []struct {
			session string
			fence   int64
			want    error
		}{
			{ana.conn.Session(), fence, nil}, {ana.conn.Session(), 0, nil}, {"", fence, nil},
			{ana.conn.Session(), fence - 1, editlock.ErrStale}, {"", fence - 1, editlock.ErrLocked}, {"", 0, editlock.ErrLocked},
			{ben.conn.Session(), fence, editlock.ErrLocked}, {ben.conn.Session(), 0, editlock.ErrLocked},
		} {
			snap, err := m.Check(t.Context(), doc, c.session, c.fence)
			if !errors.Is(err, c.want) {
				t.Errorf("%+v: %v", c, err)
			}
			if snap.State != editlock.Held || snap.Holder == nil || snap.Holder.Fence != fence || snap.Holder.User.ID != "1" {
				t.Errorf("%+v: what was judged is %+v", c, snap)
			}
		}
		for _, session := range []string{"", ana.conn.Session()} {
			if snap, err := m.Check(t.Context(), "article/free", session, fence); !errors.Is(err, editlock.ErrStale) || snap.State != editlock.Free || snap.Holder != nil {
				t.Errorf("%q: %+v, %v", session, snap, err)
			}
		}
		if snap, err := m.Check(t.Context(), "article//1", "", fence); !errors.Is(err, editlock.ErrBadResource) || snap.State != "" {
			t.Errorf("%+v, %v", snap, err)
		}
	})
}

// slowLists is a store whose lists of locks take as long as they are let.
type slowLists struct {
	store.Store
	hold  chan struct{} // nil: they take no time
	under atomic.Int32
}

func (s *slowLists) List(ctx context.Context, prefix, after string, limit int) ([]store.Record, error) {
	if s.hold != nil && strings.HasPrefix(prefix, "lock/") {
		s.under.Add(1)
		defer s.under.Add(-1)
		select {
		case <-s.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.Store.List(ctx, prefix, after, limit)
}

// Whoever asks for many lists at once keeps nobody from a lock: two are made at a time, the others wait for as long as they want to.
// Faults: A9
func TestManyListsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &slowLists{Store: mem.New()}
		m := open(t, st, editlock.Config{})
		ana := session(t, m, "1", "Ana")
		st.hold = make(chan struct{})
		results := make(chan error, 20)
		for range 20 {
			go func() {
				_, _, err := m.List(t.Context(), "", "", 10, nil)
				results <- err
			}()
		}
		settle()
		if n := st.under.Load(); n != 2 {
			t.Errorf("%d are made at once", n)
		}
		if _, err := ana.Acquire(t.Context(), doc); err != nil {
			t.Error(err)
		}
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := m.List(hurried, "", "", 10, nil); !errors.Is(err, editlock.ErrUnavailable) {
			t.Errorf("one whose time is up: %v", err)
		}
		close(st.hold)
		for range 20 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

// overtaken is a store that lets something happen after it has found that a record is missing, and before it says so.
type overtaken struct {
	store.Store
	meanwhile func()
}

func (o *overtaken) Get(ctx context.Context, key string) (store.Record, error) {
	rec, err := o.Store.Get(ctx, key)
	if do := o.meanwhile; do != nil && strings.HasPrefix(key, "lock/") {
		o.meanwhile = nil
		do()
	}
	return rec, err
}

// What is said of a resource without a record is older than what has happened since, so that nobody takes it for newer.
func TestFreeIsOlderThanTheNextGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &overtaken{Store: mem.New()}
		m := open(t, st, editlock.Config{})
		ana := newPage(t, m, "1", "Ana")
		st.meanwhile = func() { ana.ask(doc) }
		free, err := m.Get(t.Context(), doc)
		if err != nil || free.State != editlock.Free {
			t.Fatal(free, err)
		}
		if fence := ana.holds(doc); free.Revision >= fence {
			t.Errorf("free at revision %d, granted since with fence %d", free.Revision, fence)
		}
	})
}
