package editlock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// hintless is a store whose hints are all lost, as they may be.
type hintless struct{ store.Store }

func (hintless) Watch(ctx context.Context, _ func(string)) error { <-ctx.Done(); return ctx.Err() }

// twoNodes does a test with two nodes on one store: with hints, and with none. soon is how long it takes until one has
// surely heard of what the other has written.
func twoNodes(t *testing.T, test func(t *testing.T, one, two *editlock.Manager, soon time.Duration)) {
	for name, of := range map[string]struct {
		st   func() store.Store
		soon time.Duration
	}{
		"with hints":    {func() store.Store { return mem.New() }, 20 * time.Millisecond},
		"without hints": {func() store.Store { return hintless{mem.New()} }, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := of.st()
				one, two := open(t, st, editlock.Config{}), open(t, st, editlock.Config{})
				settle() // from now on they listen
				test(t, one, two, of.soon)
			})
		})
	}
}

// Who waits on another node than the holder's is let in, and is told so, when she is done; who looks on sees it; and who
// does not want to wait is answered what is so now, whatever that node knew.
func TestWaitersOfAnotherNodeAreLetIn(t *testing.T) {
	twoNodes(t, func(t *testing.T, one, two *editlock.Manager, soon time.Duration) {
		ana, ben, eva := newPage(t, one, "1", "Ana"), newPage(t, two, "2", "Ben"), newPage(t, two, "3", "Eva")
		if _, err := eva.conn.Watch(t.Context(), doc, 0); err != nil {
			t.Fatal(err)
		}
		ana.ask(doc)
		fence := ana.holds(doc)
		pass(soon)
		if s := eva.now(doc); s.Holder == nil || s.Holder.User.Name != "Ana" {
			t.Fatalf("who looks on was told %+v", s)
		}
		if _, err := ben.conn.Acquire(t.Context(), editlock.Request{Resource: doc, NoWait: true}); !errors.Is(err, editlock.ErrLocked) {
			t.Fatal("it is held, but who does not want to wait is told:", err)
		}
		ben.ask(doc)
		ben.waits(doc, 1)
		if _, err := ana.conn.Release(t.Context(), doc, fence, "v2"); err != nil {
			t.Fatal(err)
		}
		pass(soon)
		if ben.holds(doc) <= fence {
			t.Fatal("the fence did not rise")
		}
		if s := eva.now(doc); s.Holder == nil || s.Holder.User.Name != "Ben" || s.Version != "v2" {
			t.Fatalf("who looks on was told %+v", s)
		}
		if _, err := ben.conn.Release(t.Context(), doc, ben.mine(doc).Fence, ""); err != nil {
			t.Fatal(err)
		}
		s, err := ana.conn.Acquire(t.Context(), editlock.Request{Resource: doc, NoWait: true})
		if err != nil || s.Mine.State != editlock.MineGranted {
			t.Fatalf("it is free, but who does not want to wait is told %+v, %v", s.Mine, err)
		}
	})
}

// A page that comes back on another node has all that it held and waited for there, with the same fence and place; its
// older connection is closed.
// Faults: N3, W8.
func TestSessionComesBackOnAnotherNode(t *testing.T) {
	twoNodes(t, func(t *testing.T, one, two *editlock.Manager, soon time.Duration) {
		ana, ben := newPage(t, one, "1", "Ana"), newPage(t, two, "2", "Ben")
		ana.ask("article/1")
		fence := ana.holds("article/1")
		ben.ask("article/2")
		ben.holds("article/2")
		ana.ask("article/2")
		ana.waits("article/2", 1)
		ana.silent()
		old := ana.conn
		if err := ana.back(two); err != nil {
			t.Fatal(err)
		}
		if had := ana.conn.Snapshots(); len(had) != 2 {
			t.Fatalf("she is told that she has %+v", had)
		}
		if got := ana.holds("article/1"); got != fence {
			t.Fatalf("fence %d, before %d", got, fence)
		}
		ana.waits("article/2", 1)
		if _, err := old.Release(t.Context(), "article/1", fence, ""); !errors.Is(err, editlock.ErrReplaced) {
			t.Fatal("what its older connection says late is answered:", err)
		}
		if _, err := old.Acquire(t.Context(), editlock.Request{Resource: "article/3"}); !errors.Is(err, editlock.ErrReplaced) {
			t.Fatal("what its older connection says late is answered:", err)
		}
		pass(soon)
		if old.Heard() {
			t.Error("its older connection still keeps it alive")
		}
		if why := ana.wasClosed(); !errors.Is(why, editlock.ErrReplaced) {
			t.Error("its older connection was closed with:", why)
		}
		if err := ben.conn.Bye(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(7 * time.Second)
		ana.holds("article/1")
		ana.holds("article/2")
	})
}

// What the node before has acknowledged is kept, even if it was cut off when the session went to another.
func TestSessionThatMovedHasAllTheTimeThatItWasPromised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		cut := &cutOff{Store: inner, off: make(chan struct{})}
		one, two := open(t, cut, editlock.Config{}), open(t, inner, editlock.Config{})
		ana, ben := newPage(t, one, "1", "Ana"), newPage(t, two, "2", "Ben")
		ana.ask(doc)
		ana.holds(doc)
		close(cut.off)
		c, err := two.Connect(t.Context(), editlock.Connect{
			User: ana.user, Resume: &editlock.Resume{Session: ana.conn.Session(), Epoch: ana.epoch}, Nonce: "the answer to this is lost",
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Disconnect()
		ben.ask(doc)
		ben.waits(doc, 1)
		acknowledged := time.Now()
		for ana.conn.Heard() {
			acknowledged = time.Now()
			pass(time.Second)
		}
		if since := time.Since(acknowledged); since > 2*time.Second {
			t.Fatal(since)
		}
		pass(time.Until(acknowledged.Add(one.Config().TTL)))
		ben.waits(doc, 1)
		pass(15 * time.Second)
		ben.holds(doc)
	})
}

// cutOff is a store that cannot be reached any more once off is closed.
type cutOff struct {
	store.Store
	off chan struct{}
}

func (c *cutOff) gone() error {
	select {
	case <-c.off:
		return store.ErrUnavailable
	default:
		return nil
	}
}

func (c *cutOff) Get(ctx context.Context, key string) (store.Record, error) {
	if err := c.gone(); err != nil {
		return store.Record{}, err
	}
	return c.Store.Get(ctx, key)
}

func (c *cutOff) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	if err := c.gone(); err != nil {
		return nil, err
	}
	return c.Store.Apply(ctx, batch)
}

func (c *cutOff) List(ctx context.Context, prefix, after string, limit int) ([]store.Record, error) {
	if err := c.gone(); err != nil {
		return nil, err
	}
	return c.Store.List(ctx, prefix, after, limit)
}

func (c *cutOff) Changes(ctx context.Context, after int64, limit int, prefixes ...string) ([]store.Record, int64, error) {
	if err := c.gone(); err != nil {
		return nil, 0, err
	}
	return c.Store.Changes(ctx, after, limit, prefixes...)
}

// A holder hears from her own node why another has ended her holding.
func TestHolderHearsWhyAnotherNodeEndedIt(t *testing.T) {
	twoNodes(t, func(t *testing.T, one, two *editlock.Manager, soon time.Duration) {
		ana := newPage(t, one, "1", "Ana")
		ana.ask(doc)
		fence := ana.holds(doc)
		if _, _, err := two.ForceRelease(t.Context(), doc, fence, editlock.User{ID: "9", Name: "Admin"}, "she is on holiday"); err != nil {
			t.Fatal(err)
		}
		pass(soon)
		if why := ana.why(); len(why) != 1 || why[0].Reason != editlock.Forced || why[0].Fence != fence {
			t.Fatalf("she was told %+v", why)
		}
	})
}

// A bye counts wherever it comes, and that of an older epoch nowhere.
func TestByeComesToAnotherNode(t *testing.T) {
	twoNodes(t, func(t *testing.T, one, two *editlock.Manager, soon time.Duration) {
		ana, ben := newPage(t, one, "1", "Ana"), newPage(t, two, "2", "Ben")
		ana.ask(doc)
		ana.holds(doc)
		ben.ask(doc)
		id, epoch := ana.conn.Session(), ana.epoch
		ana.cut()
		if err := ana.back(one); err != nil {
			t.Fatal(err)
		}
		if err := two.Bye(t.Context(), id, epoch); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		ana.holds(doc)
		ana.cut()
		if err := ana.back(one); err != nil {
			t.Fatal(err)
		}
		ana.silent()
		if err := two.Bye(t.Context(), id, ana.epoch); err != nil {
			t.Fatal(err)
		}
		pass(soon + 7*time.Second)
		ben.holds(doc)
	})
}

// That a session's record is gone says nothing against the node that had it.
func TestNodeIsNotEndedForASessionThatItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := hintless{mem.New()}
		one, two := open(t, st, editlock.Config{}), open(t, st, editlock.Config{})
		ana := newPage(t, one, "1", "Ana")
		ana.ask(doc)
		ana.holds(doc)
		pass(3 * time.Second) // the other node knows her
		if err := ana.conn.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := two.Bye(t.Context(), ana.conn.Session(), ana.epoch); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		recs, err := st.List(t.Context(), "node/", "", 100)
		if err != nil || len(recs) != 2 {
			t.Fatal(len(recs), err)
		}
		for _, rec := range recs {
			if n, err := lease.DecodeNode(rec.Data); err != nil || n.Ended != 0 {
				t.Errorf("a node that lives was ended: %s, %v", rec.Data, err)
			}
		}
	})
}

// Nodes keep nothing for ever of the sessions of each other, and clean up after each other.
func TestNodesForgetWhatOthersHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		one, two := open(t, st, editlock.Config{MaxSessions: 2}), open(t, st, editlock.Config{MaxSessions: 2})
		for range 20 { // more than a user may have, were they all remembered
			p := newPage(t, one, "1", "Ana")
			p.ask(doc)
			if _, err := p.conn.Release(t.Context(), doc, p.holds(doc), ""); err != nil {
				t.Fatal(err)
			}
			p.cut()
			pass(45 * time.Second)
			newPage(t, two, "1", "Ana").cut()
			pass(45 * time.Second)
		}
		last := newPage(t, one, "2", "Ben") // has a record, and nothing else, when its node vanishes
		last.ask(doc)
		if _, err := last.conn.Release(t.Context(), doc, last.holds(doc), ""); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		one.Close()
		pass(5 * time.Minute)
		if s, n := records(t, st, "session/"), records(t, st, "node/"); s != 0 || n != 1 {
			t.Errorf("%d sessions and %d nodes are left", s, n)
		}
	})
}

// A session has let go on one node, and its page came back to another, which was busy with the resource all the while. The page is not told of what was before.
func TestWhoCameBackIsNotToldWhatWasBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		slow := &unhurried{Store: inner, wait: map[string]time.Duration{}}
		st := &faulty{Store: slow}
		one, two := open(t, inner, editlock.Config{}), open(t, st, editlock.Config{})
		settle()
		ana, ben, eva := newPage(t, one, "1", "Ana"), newPage(t, two, "2", "Ben"), newPage(t, two, "3", "Eva")
		ana.ask(doc)
		fence := ana.holds(doc)
		ana.ask("article/9")                                                                      // so that her session goes on
		if _, err := ben.conn.Acquire(t.Context(), editlock.Request{Resource: doc}); err != nil { // those who look on are to be told of it
			t.Fatal(err)
		}
		st.fail(func(ctx context.Context, batch []store.Group) ([]store.Result, error) {
			st.fail(nil)
			if _, err := ana.conn.Release(t.Context(), doc, fence, ""); err != nil {
				t.Error(err)
			}
			slow.mu.Lock()
			slow.wait["session/"+eva.conn.Session()] = 500 * time.Millisecond // read again, since the write fails
			slow.mu.Unlock()
			return inner.Apply(ctx, batch)
		})
		go eva.conn.Acquire(t.Context(), editlock.Request{Resource: doc})
		settle()
		ana.cut()
		conn, err := two.Connect(t.Context(), editlock.Connect{
			User: ana.user, Resume: &editlock.Resume{Session: ana.conn.Session(), Epoch: ana.epoch}, Nonce: "a new page",
			Notify: func(s editlock.Snapshot) {
				if s.Resource == doc && s.Mine.Fence != 0 {
					t.Errorf("she has released it, and is told %+v", s)
				}
			},
		})
		if err != nil || !conn.Resumed() {
			t.Fatal(err)
		}
		go conn.Acquire(t.Context(), editlock.Request{Resource: doc})
		pass(time.Second)
		ben.holds(doc)
	})
}
