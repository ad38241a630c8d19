package editlock_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store/mem"
)

func TestListSeesEveryChangeBelowItsPrefix(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana, ben, list := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben"), newPage(t, m, "9", "List")
		ana.ask("article/1")
		ben.ask("article/2")
		ben.ask("page/1")
		snaps, more, err := list.conn.WatchPrefix(t.Context(), "article/", nil)
		if err != nil || more || len(snaps) != 2 {
			t.Fatal(snaps, more, err)
		}
		ben.ask("article/1")
		if s := list.now("article/1"); s.Waiting != 1 || s.Holder.User.Name != "Ana" {
			t.Fatalf("%+v", s)
		}
		if _, err := ana.conn.Release(t.Context(), "article/1", ana.holds("article/1"), ""); err != nil {
			t.Fatal(err)
		}
		settle()
		if s := list.now("article/1"); s.Waiting != 0 || s.Holder.User.Name != "Ben" {
			t.Fatalf("%+v", s)
		}
		ana.ask("page/2")
		if s := list.now("page/2"); s.Resource != "" {
			t.Fatalf("told of %+v", s)
		}
		list.conn.UnwatchPrefix("article/")
		ana.ask("article/3")
		if s := list.now("article/3"); s.Resource != "" {
			t.Fatalf("told of %+v", s)
		}
	})
}

func TestChangedReachesWaitersAndWatchers(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana, ben, reader := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben"), newPage(t, m, "3", "Reader")
		ana.ask(doc)
		fence := ana.holds(doc)
		ben.ask(doc)
		if _, err := reader.conn.Watch(t.Context(), doc, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := ben.conn.Changed(t.Context(), doc, fence, "99"); !errors.Is(err, editlock.ErrStale) {
			t.Fatalf("a waiter names a version: %v", err)
		}
		if _, err := ana.conn.Changed(t.Context(), doc, fence, "18"); err != nil {
			t.Fatal(err)
		}
		settle()
		for _, p := range []*page{ben, reader} {
			if v := p.now(doc).Version; v != "18" {
				t.Fatalf("%s was told of version %q", p.user.Name, v)
			}
		}
		if err := m.Changed(t.Context(), doc, "19"); err != nil {
			t.Fatal(err)
		}
		settle()
		if v := reader.now(doc).Version; v != "19" {
			t.Fatalf("version %q", v)
		}
		if err := m.Changed(t.Context(), doc, strings.Repeat("9", 257)); !errors.Is(err, editlock.ErrBadRequest) {
			t.Fatal(err)
		}
		ben.waits(doc, 1)
	})
}

// Faults: A3, A9. What a stranger may ask for, and how much of it.
func TestBadNamesAndTooMuchAreRefusedAndHarmless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, mem.New(), editlock.Config{MaxLocks: 3, MaxSessions: 4, MaxWatches: 5})
		ana := newPage(t, m, "1", "Ana")
		for _, name := range []string{"", "..", "a//b", "a/*", "a\x00b", strings.Repeat("a", 10_000), "a\u202eb", "a#b"} {
			if _, err := ana.conn.Acquire(t.Context(), editlock.Request{Resource: name}); !errors.Is(err, editlock.ErrBadResource) {
				t.Fatalf("%.20q: %v", name, err)
			}
		}
		// Two ways to write one name are one resource.
		ana.ask("caf\u00e9")
		s, err := ana.conn.Acquire(t.Context(), editlock.Request{Resource: "cafe\u0301"})
		if err != nil || s.Resource != "caf\u00e9" || s.Mine.Fence == 0 {
			t.Fatal(s, err)
		}
		ana.ask("a/1")
		ana.ask("a/2")
		if _, err := ana.conn.Acquire(t.Context(), editlock.Request{Resource: "a/3"}); !errors.Is(err, editlock.ErrTooManyLocks) {
			t.Fatal(err)
		}
		ana.holds("a/2")
		for range 3 {
			newPage(t, m, "1", "Ana")
		}
		_, err = m.Connect(t.Context(), editlock.Connect{User: editlock.User{ID: "1"}, Nonce: "n"})
		if !errors.Is(err, editlock.ErrTooManySessions) {
			t.Fatal(err)
		}
		ben := newPage(t, m, "2", "Ben")
		for i := range 6 {
			_, err = ben.conn.Watch(t.Context(), fmt.Sprint("w/", i), 0)
		}
		if !errors.Is(err, editlock.ErrTooManyWatches) {
			t.Fatal(err)
		}
	})
}

func TestWatchOfASessionOfThisProcess(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana, list := session(t, m, "1", "Ana"), session(t, m, "9", "List")
		news, err := list.Watch(t.Context(), doc)
		if err != nil {
			t.Fatal(err)
		}
		if s := <-news; s.State != editlock.Free {
			t.Fatalf("%+v", s)
		}
		for range 10 { // nobody receives: only the newest stays
			lock, err := ana.Acquire(t.Context(), doc)
			if err != nil {
				t.Fatal(err)
			}
			if err := lock.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		settle()
		var seen []editlock.State
		for len(seen) < 3 {
			select {
			case s := <-news:
				seen = append(seen, s.State)
				continue
			case <-time.After(time.Second):
			}
			break
		}
		if len(seen) > 2 || seen[len(seen)-1] != editlock.Free {
			t.Fatal(seen)
		}
		if err := list.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A lock of this process is no longer trusted once others might have ended its node.
func TestLockContextEndsWithTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &faulty{Store: mem.New()}
		m := open(t, st, editlock.Config{})
		ana, tab := session(t, m, "1", "Ana"), newPage(t, m, "1", "Ana")
		one, err := ana.Acquire(t.Context(), "a/1")
		if err != nil {
			t.Fatal(err)
		}
		two, err := ana.Acquire(t.Context(), "a/2")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tab.conn.Acquire(t.Context(), editlock.Request{Resource: "a/1", Move: true}); err != nil {
			t.Fatal(err)
		}
		settle()
		var lost *editlock.LostError
		if err := causeOf(one); !errors.As(err, &lost) || lost.Reason != editlock.HandedOver || lost.By.Name != "Ana" || !errors.Is(err, editlock.ErrStale) {
			t.Fatal(err)
		}
		if err := causeOf(two); err != nil {
			t.Fatal(err)
		}
		st.fail(down)
		pass(20 * time.Second)
		if err := causeOf(two); err != nil {
			t.Fatal("too soon:", err)
		}
		pass(10 * time.Second)
		if err := causeOf(two); !errors.Is(err, editlock.ErrUnsure) {
			t.Fatal(err)
		}
		st.fail(nil)
		pass(5 * time.Second)
		again, err := ana.Acquire(t.Context(), "a/2")
		if err != nil || again.Fence() != two.Fence() {
			t.Fatal("it was hers all the time", again, err)
		}
	})
}

func TestConfigIsCheckedForSense(t *testing.T) {
	for _, cfg := range []editlock.Config{
		{TTL: 9 * time.Second}, {TTL: 301 * time.Second}, {MaxLocks: -1}, {StoreTimeout: time.Hour},
	} {
		if m, err := editlock.Open(t.Context(), mem.New(), cfg); err == nil {
			m.Close()
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func TestHistoryComesInPages(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana := session(t, m, "1", "Ana")
		var fences, seen []int64
		for range 25 {
			lock, err := ana.Acquire(t.Context(), doc)
			if err != nil {
				t.Fatal(err)
			}
			fences = append(fences, lock.Fence())
			if err := lock.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for cursor := ""; ; {
			entries, next, err := m.History(t.Context(), doc, cursor, 7)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Granted != nil {
					if e.Granted.Fence != e.Revision {
						t.Fatalf("%+v", e)
					}
					seen = append(seen, e.Granted.Fence)
				}
			}
			if cursor = next; len(entries) < 7 {
				break
			}
		}
		if !slices.Equal(fences, seen) {
			t.Fatal(fences, seen)
		}
	})
}

// A session of a program that watches a prefix is told of all that there is below it, however much.
func TestWatchOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 2300
		m := open(t, mem.New(), editlock.Config{MaxLocks: many, MaxWatches: many})
		ana, ben := session(t, m, "1", "Ana"), session(t, m, "2", "Ben")
		for i := range many {
			if _, err := ana.Acquire(t.Context(), fmt.Sprintf("article/%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		settle() // the news of that is over
		news, err := ben.Watch(t.Context(), "article/")
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]bool{}
		for len(told) < many {
			settle()
			select {
			case snap := <-news:
				if snap.State != editlock.Held || told[snap.Resource] {
					t.Fatalf("%+v, told before: %t", snap, told[snap.Resource])
				}
				told[snap.Resource] = true
			default:
				t.Fatalf("told of %d of %d", len(told), many)
			}
		}
	})
}
