package editlock_test

import (
	"errors"
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
	})
}
