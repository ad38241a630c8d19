package editlock_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// Two Managers on one store are two nodes. One is cut from the store; the other ends it, and its sessions once their
// time is over. Both come to the same view.
// Faults: N5, N10.
func TestNodeThatWasTakenForDeadGoesOnUnderANewID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		st := &faulty{Store: inner}
		one, two := open(t, st, editlock.Config{}), open(t, inner, editlock.Config{})
		ana, local := newPage(t, one, "1", "Ana"), session(t, one, "7", "Program")
		ana.ask(doc)
		fence := ana.holds(doc)
		lock, err := local.Acquire(t.Context(), "article/7")
		if err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		st.fail(down)
		pass(2 * time.Minute)
		if !errors.Is(causeOf(lock), editlock.ErrUnsure) {
			t.Fatal("a program on a node that is cut off believes:", causeOf(lock))
		}
		if _, err := ana.conn.Acquire(t.Context(), editlock.Request{Resource: "article/8"}); err == nil {
			t.Fatal("a node that is cut off grants")
		}
		recs, err := inner.List(t.Context(), "node/", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		alive := 0
		for _, rec := range recs {
			n, err := lease.DecodeNode(rec.Data)
			if err != nil {
				t.Fatal(err)
			}
			if n.Ended == 0 {
				alive++
			}
		}
		if alive != 1 {
			t.Fatalf("%d nodes count as alive", alive)
		}
		st.fail(nil)
		pass(10 * time.Second)
		if err := one.Ready(); err != nil {
			t.Fatal(err)
		}
		if err := ana.back(one); err != nil {
			t.Fatal(err)
		}
		if s, err := ana.conn.Watch(t.Context(), doc, fence); err != nil || s.Holder != nil && !s.Holder.You {
			t.Fatalf("%+v %v", s, err)
		}
		again, err := local.Acquire(t.Context(), "article/7")
		if err != nil || again.Fence() < lock.Fence() {
			t.Fatal(again, err)
		}
		if err := two.Ready(); err != nil {
			t.Fatal(err)
		}
	})
}

// What nobody needs any more is deleted: free records, history beyond its time, records of ended nodes.
func TestNothingIsKeptForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		m := open(t, st, editlock.Config{Retention: 24 * time.Hour})
		ana, ben := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
		ana.ask(doc)
		ben.ask(doc)
		ana.leave()
		pass(time.Minute)
		ben.silent()
		m.Close()
		for range 3 {
			m = open(t, st, editlock.Config{Retention: 24 * time.Hour})
			pass(2 * time.Minute)
			m.Close()
		}
		open(t, st, editlock.Config{Retention: 24 * time.Hour})
		pass(time.Hour)
		count := func(prefix string) int {
			recs, err := st.List(t.Context(), prefix, "", 1000)
			if err != nil {
				t.Fatal(err)
			}
			return len(recs)
		}
		if locks, sessions, nodes := count("lock/"), count("session/"), count("node/"); locks != 0 || sessions != 0 || nodes != 1 {
			t.Fatalf("%d locks, %d sessions, %d nodes are still there", locks, sessions, nodes)
		}
		if count("history/") == 0 {
			t.Fatal("history is gone too soon")
		}
		pass(25 * time.Hour)
		if n := count("history/"); n != 0 {
			t.Fatalf("%d history entries are still there", n)
		}
	})
}

// A record that this version cannot read harms nothing but itself.
// Faults: D16.
func TestRecordOfNewerRulesIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		m := open(t, st, editlock.Config{})
		newer := []byte(`{"v":99,"holds":"something else"}`)
		if _, err := st.Apply(t.Context(), []store.Group{{{Key: "lock/article/1", Data: newer}}}); err != nil {
			t.Fatal(err)
		}
		ana := newPage(t, m, "1", "Ana")
		if _, err := ana.conn.Acquire(t.Context(), editlock.Request{Resource: "article/1"}); err == nil {
			t.Fatal("a record of newer rules was taken for free")
		}
		pass(time.Minute)
		rec, err := st.Get(t.Context(), "lock/article/1")
		if err != nil || string(rec.Data) != string(newer) {
			t.Fatal(string(rec.Data), err)
		}
		ana.ask("article/2")
		ana.holds("article/2")
		m.Close()
		m = open(t, st, editlock.Config{})
		list := newPage(t, m, "9", "List")
		snaps, _, err := list.conn.WatchPrefix(t.Context(), "article/", nil)
		if err != nil || len(snaps) != 1 || snaps[0].Resource != "article/2" {
			t.Fatalf("%+v %v", snaps, err)
		}
	})
}

var quiet = slog.New(slog.DiscardHandler)

func records(t *testing.T, st store.Store, prefix string) int {
	t.Helper()
	recs, err := st.List(t.Context(), prefix, "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return len(recs)
}

// readyFor fails the test unless the Manager is ready all the time.
func readyFor(t *testing.T, m *editlock.Manager, d time.Duration) {
	t.Helper()
	for range d / (5 * time.Second) {
		pass(5 * time.Second)
		if err := m.Ready(); err != nil {
			t.Fatal(err)
		}
	}
}

// A process that is restarted again and again leaves nothing that keeps the next one from living.
// Faults: N1, N2.
func TestRestartsInARow(t *testing.T) {
	t.Run("that end well", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			st := mem.New()
			for range 300 {
				m := open(t, st, editlock.Config{Logger: quiet})
				pass(time.Second)
				m.Close()
				if n := records(t, st, "node/"); n != 0 {
					t.Fatalf("%d records of nodes are left", n)
				}
			}
			open(t, st, editlock.Config{})
		})
	})
	t.Run("that each leave a session", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			st := mem.New()
			for i := range 300 {
				m := open(t, st, editlock.Config{Logger: quiet})
				p := newPage(t, m, fmt.Sprint("u", i), "Somebody")
				p.ask(fmt.Sprint("article/", i))
				p.silent()
				m.Close()
			}
			if n := records(t, st, "node/"); n != 300 {
				t.Fatalf("%d records of nodes, which sessions name", n)
			}
			m := open(t, st, editlock.Config{Logger: quiet})
			readyFor(t, m, time.Minute)
			for i := range 300 {
				p := newPage(t, m, fmt.Sprint("next", i), "Next")
				p.ask(fmt.Sprint("article/", i))
				p.holds(fmt.Sprint("article/", i))
				p.leave()
			}
			readyFor(t, m, time.Hour)
			if n := records(t, st, "node/"); n != 1 {
				t.Errorf("%d records of nodes are left", n)
			}
		})
	})
	t.Run("that are kills", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			st := mem.New()
			for i := range 2000 {
				g := store.Group{{Key: fmt.Sprintf("node/%016d", i), Data: []byte(`{"v":1,"started":"2026-11-23T00:00:00Z"}`)}}
				if _, err := st.Apply(t.Context(), []store.Group{g}); err != nil {
					t.Fatal(err)
				}
			}
			m := open(t, st, editlock.Config{})
			readyFor(t, m, 40*time.Second)
			if n := records(t, st, "node/"); n != 2001 {
				t.Errorf("%d records of nodes: one that may be alive was deleted", n)
			}
			readyFor(t, m, time.Minute)
			if n := records(t, st, "node/"); n != 1 {
				t.Errorf("%d records of nodes are left", n)
			}
		})
	})
}

// Whatever a node has to count, it renews its own record; and it ends others even if nothing could be added to theirs.
func TestRecordOfANodeIsNeverTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		put := func(key, data string) {
			t.Helper()
			if _, err := st.Apply(t.Context(), []store.Group{{{Key: key, Data: []byte(data)}}}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 2 {
			put(fmt.Sprintf("session/%016d", i), fmt.Sprintf(`{"v":1,"node":"%d%s","epoch":1,"user":"1"}`, i, strings.Repeat("x", 40<<10)))
		}
		count := `"silences":{"` + strings.Repeat("y", store.MaxData-100) + `":{"ms":1,"marks":[{"r":1,"ms":0}]}}`
		put("node/full", `{"v":1,"started":"2026-11-23T00:00:00Z",`+count+`}`)
		put(fmt.Sprintf("session/%016d", 2), `{"v":1,"node":"full","epoch":1,"user":"1"}`)
		m := open(t, st, editlock.Config{})
		readyFor(t, m, 5*time.Minute)
		if s, n := records(t, st, "session/"), records(t, st, "node/"); s != 0 || n != 1 {
			t.Errorf("%d sessions and %d nodes are left", s, n)
		}
	})
}

// The slow pass keeps up with the fastest who make work for it.
func TestTidyKeepsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		// More than a batch of records that stay due whatever is done must not keep the others from their turn.
		due := time.Now().Add(-time.Hour)
		var batch []store.Group
		for i := range 250 {
			batch = append(batch, store.Group{{Key: fmt.Sprintf("lock/newer/%d", i), Due: due, Data: []byte(`{"v":99}`)}})
		}
		m := open(t, st, editlock.Config{Logger: quiet, Retention: time.Hour})
		if _, err := st.Apply(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		s := session(t, m, "1", "Ana")
		start := time.Now()
		for i := range 4_000 { // 400 a second
			l, err := s.Acquire(t.Context(), fmt.Sprint("a/", i))
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			if i%40 == 39 {
				pass(100 * time.Millisecond)
			}
		}
		if n := records(t, st, "lock/a/"); n != 4_000 {
			t.Fatalf("%d free records; they are kept 10 min", n)
		}
		pass(time.Until(start.Add(11*time.Minute + 10*time.Second)))
		if n := records(t, st, "lock/a/"); n != 0 {
			t.Errorf("%d free records are left", n)
		}
		pass(time.Until(start.Add(time.Hour + 80*time.Second)))
		if n := records(t, st, "history/"); n != 0 {
			t.Errorf("%d history entries are left", n)
		}
		if n := records(t, st, "lock/newer/"); n != 250 {
			t.Errorf("%d of 250 records that cannot be read", n)
		}
	})
}

// Nor does a session's record that cannot be read keep anybody from anything else.
// Faults: D16.
func TestRecordOfASessionThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, bad := range []string{"nonsense", `{"v":99}`} {
			st := mem.New()
			m := open(t, st, editlock.Config{})
			ana := newPage(t, m, "1", "Ana")
			ana.ask("article/1")
			ana.holds("article/1")
			m.Close()
			rec, err := st.Get(t.Context(), "session/"+ana.conn.Session())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := st.Apply(t.Context(), []store.Group{{{Key: rec.Key, Expect: rec.Rev, Data: []byte(bad)}}}); err != nil {
				t.Fatal(err)
			}
			m = open(t, st, editlock.Config{Logger: quiet})
			ben := newPage(t, m, "2", "Ben")
			ben.ask("article/2")
			ben.holds("article/2")
			if s, err := ben.conn.Acquire(t.Context(), editlock.Request{Resource: "article/1"}); err == nil {
				t.Fatalf("what somebody holds whose record cannot be read is given to another: %+v", s)
			}
			readyFor(t, m, 2*time.Minute)
			ben.holds("article/2")
			m.Close()
		}
	})
}
