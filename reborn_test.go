package editlock_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// stopped stops whoever has written something for a request, when it is armed, before it can go on with that, until go on is closed.
type stopped struct {
	armed atomic.Bool
	goOn  chan struct{}
}

func (s *stopped) observer() *editlock.Observer {
	return &editlock.Observer{Writing: func(context.Context) func(error) {
		return func(error) {
			if s.armed.CompareAndSwap(true, false) {
				<-s.goOn
			}
		}
	}}
}

// takenForDead lets a node be cut off for so long that the other one ends a session of it, and does the rest when it can write again, but has
// not found out yet.
func takenForDead(t *testing.T, test func(t *testing.T, one, two *editlock.Manager, eve *page, stop *stopped, cut func())) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		st, stop := &faulty{Store: inner}, &stopped{goOn: make(chan struct{})}
		one := open(t, st, editlock.Config{Observer: stop.observer()})
		two := open(t, inner, editlock.Config{})
		newPage(t, one, "1", "Ana").ask(doc) // is what it is ended for
		eve := newPage(t, one, "2", "Eve")
		pass(3500 * time.Millisecond)
		test(t, one, two, eve, stop, func() {
			st.fail(down)
			for ended := false; !ended; {
				pass(100 * time.Millisecond)
				recs, err := inner.List(t.Context(), "node/", "", 10)
				if err != nil {
					t.Fatal(err)
				}
				ended = slices.ContainsFunc(recs, func(r store.Record) bool { return strings.Contains(string(r.Data), `"ended":`) })
			}
			st.fail(nil)
		})
	})
}

// keeps fails the test unless what the page is acknowledged for is kept from one who waits at the other node.
func (p *page) keeps(m, other *editlock.Manager, resource string) {
	p.t.Helper()
	fence, waiter := int64(0), newPage(p.t, other, "9", "Waiter")
	for range 20 {
		if p.wasClosed() != nil {
			if err := p.back(m); err != nil {
				p.t.Fatal(err)
			}
		}
		p.ask(resource)
		if got := p.holds(resource); fence == 0 {
			fence = got
			waiter.ask(resource)
		} else if got != fence {
			p.t.Fatalf("%s held it with fence %d, and was there all the time, but has fence %d", p.user.Name, fence, got)
		}
		pass(10 * time.Second)
	}
}

// What a session began to store in an older life of its node does not leave it in the care of that life for good.
func TestClaimThatIsStoredWhileItsNodeIsReborn(t *testing.T) {
	takenForDead(t, func(t *testing.T, one, two *editlock.Manager, eve *page, stop *stopped, cut func()) {
		cut()
		stop.armed.Store(true)
		done := make(chan error, 1)
		go func() {
			_, err := eve.conn.Acquire(t.Context(), editlock.Request{Resource: "article/2"})
			done <- err
		}()
		pass(1500 * time.Millisecond) // the node finds out, and goes on
		close(stop.goOn)
		if err := <-done; !errors.Is(err, editlock.ErrUnknownOutcome) {
			t.Fatal("it was asked in an older life, and answered with", err)
		}
		settle()
		eve.keeps(one, two, "article/2")
	})
}

// Likewise a resume.
func TestResumeThatIsStoredBeforeItsNodeIsReborn(t *testing.T) {
	takenForDead(t, func(t *testing.T, one, two *editlock.Manager, eve *page, stop *stopped, cut func()) {
		eve.ask("article/2")
		eve.holds("article/2")
		eve.cut()
		stop.armed.Store(true)
		done := make(chan error, 1)
		go func() { done <- eve.back(one) }()
		settle()
		cut()
		pass(1500 * time.Millisecond)
		close(stop.goOn)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		settle()
		eve.keeps(one, two, "article/2")
	})
}

// A connection whose session others have ended is told so, and keeps nobody from anything.
func TestConnectionWhoseSessionIsGoneIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		one := open(t, hintless{inner}, editlock.Config{})
		settle()
		ana, ben := newPage(t, one, "1", "Ana"), newPage(t, one, "2", "Ben")
		ana.ask(doc)
		if _, err := ana.conn.Release(t.Context(), doc, ana.holds(doc), ""); err != nil {
			t.Fatal(err)
		}
		recs, err := inner.List(t.Context(), "session/", "", 10)
		if err != nil || len(recs) != 1 {
			t.Fatal(recs, err)
		}
		if res, err := inner.Apply(t.Context(), []store.Group{{{Key: recs[0].Key, Expect: recs[0].Rev, Delete: true}}}); err != nil || res[0].Err != nil {
			t.Fatal(res, err)
		}
		late := make(chan error, 1)
		go func() {
			_, err := ana.conn.Acquire(t.Context(), editlock.Request{Resource: doc})
			late <- err
		}()
		ben.ask(doc)
		ben.holds(doc)
		if err := <-late; !errors.Is(err, editlock.ErrSessionOver) {
			t.Fatal("the session is gone, but its connection is told:", err)
		}
		if !errors.Is(ana.wasClosed(), editlock.ErrSessionOver) {
			t.Fatal("the session is gone, but its connection is open:", ana.wasClosed())
		}
		if err := ana.back(one); err != nil {
			t.Fatal(err)
		}
		ana.ask(doc)
		ana.waits(doc, 1)
	})
}

// A page came back when nothing seemed to be stored of its session; then what was stored after all, by an earlier write whose outcome nobody told,
// is of the epoch before. The bye of the page as it was then is late, also for a node that goes by what is stored; and that is mended soon.
func TestByeOfAnEpochThatWasStoredLateIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		st := &faulty{Store: inner}
		one, two := open(t, st, editlock.Config{}), open(t, inner, editlock.Config{})
		settle()
		ana := newPage(t, one, "1", "Ana")
		id := ana.conn.Session()
		var late []store.Group
		st.fail(func(ctx context.Context, batch []store.Group) ([]store.Result, error) {
			switch {
			case strings.HasPrefix(batch[0][0].Key, "node/"):
				return inner.Apply(ctx, batch)
			case late == nil:
				late = batch
				return nil, store.ErrUnknown
			}
			return nil, store.ErrUnavailable
		})
		_, _ = ana.conn.Acquire(t.Context(), editlock.Request{Resource: doc})
		ana.cut() // a reload, whose bye is under way for a while
		if err := ana.back(one); err != nil || ana.conn.Session() != id || ana.epoch != 2 {
			t.Fatal(err, ana.epoch)
		}
		st.fail(nil)
		if results, err := inner.Apply(t.Context(), late); err != nil || results[0].Err != nil {
			t.Fatal(results, err)
		}
		if err := two.Bye(t.Context(), id, 1); err != nil {
			t.Fatal(err)
		}
		pass(4 * time.Second)
		if rec, err := inner.Get(t.Context(), "session/"+id); err != nil || strings.Contains(string(rec.Data), "bye") || !strings.Contains(string(rec.Data), `"epoch":2`) {
			t.Errorf("what is stored is of before: %s, %v", rec.Data, err)
		}
		ana.ask(doc)
		settle()
		ana.holds(doc)
		pass(20 * time.Second)
		ana.holds(doc)
	})
}
