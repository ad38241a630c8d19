package editlock_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// Who watches all that begins with a prefix sees what becomes of it on another node, each time.
func TestWhoWatchesAPrefixSeesWhatAnotherNodeDoes(t *testing.T) {
	twoNodes(t, func(t *testing.T, one, two *editlock.Manager, soon time.Duration) {
		ana, eva := newPage(t, one, "1", "Ana"), newPage(t, two, "3", "Eva")
		if _, _, err := eva.conn.WatchPrefix(t.Context(), "article/", nil); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			ana.ask(doc)
			fence := ana.holds(doc)
			pass(soon)
			if s := eva.now(doc); s.Holder == nil || s.Holder.Fence != fence {
				t.Fatalf("it is held with fence %d, but who looks on was told %+v", fence, s)
			}
			if _, err := ana.conn.Release(t.Context(), doc, fence, ""); err != nil {
				t.Fatal(err)
			}
			pass(soon)
			if s := eva.now(doc); s.State != editlock.Free {
				t.Fatalf("it is free, but who looks on was told %+v", s)
			}
		}
	})
}

// The record of a session that cannot be read costs what names it, and nothing else.
func TestSessionThatCannotBeReadCostsNoNodeItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		elsewhere, st := mem.New(), mem.New()
		newPage(t, open(t, elsewhere, editlock.Config{}), "1", "Ana").ask("article/1")
		m := open(t, st, editlock.Config{})
		settle()
		eva := newPage(t, m, "3", "Eva")
		eva.ask("article/2")
		eva.holds("article/2")
		var g store.Group
		for _, prefix := range []string{"session/", "lock/"} {
			recs, err := elsewhere.List(t.Context(), prefix, "", 1)
			if err != nil || len(recs) != 1 {
				t.Fatal(recs, err)
			}
			g = append(g, store.Op{Key: recs[0].Key, Data: recs[0].Data})
		}
		g[0].Data = []byte("nothing that anybody has written")
		if res, err := st.Apply(t.Context(), []store.Group{g}); err != nil || res[0].Err != nil {
			t.Fatal(res, err)
		}
		readyFor(t, m, time.Minute)
		eva.holds("article/2")
		if !eva.conn.Heard() {
			t.Fatal("the holder is not acknowledged any more")
		}
		if s, err := eva.conn.Acquire(t.Context(), editlock.Request{Resource: "article/1"}); err == nil {
			t.Fatalf("nobody can say who holds, but the answer is %+v", s)
		}
	})
}

// unhurried is a store that takes its time to answer for some keys.
type unhurried struct {
	store.Store
	mu   sync.Mutex
	wait map[string]time.Duration
}

func (s *unhurried) Get(ctx context.Context, key string) (store.Record, error) {
	s.mu.Lock()
	d := s.wait[key]
	delete(s.wait, key)
	s.mu.Unlock()
	rec, err := s.Store.Get(ctx, key)
	if d > 0 {
		<-time.After(d)
	}
	return rec, err
}

func (s *unhurried) Watch(ctx context.Context, _ func(string)) error { <-ctx.Done(); return ctx.Err() }

// A node that forgets what another's session had does not do so in the midst of hearing that it has something again.
func TestSessionIsNotForgottenWhileItIsNamedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		slow := &unhurried{Store: inner, wait: map[string]time.Duration{}}
		cfg := editlock.Config{StoreTimeout: 5 * time.Second}
		began := time.Now()
		one := open(t, inner, cfg)
		open(t, slow, cfg) // hears every other second, and forgets every ten seconds
		ben, ana := newPage(t, one, "2", "Ben"), newPage(t, one, "1", "Ana")
		once := func(p *page) {
			p.ask("article/1")
			if _, err := p.conn.Release(t.Context(), "article/1", p.holds("article/1"), ""); err != nil {
				t.Fatal(err)
			}
		}
		once(ben)
		pass(13 * time.Second) // Ben is about to be forgotten
		once(ana)
		pass(time.Until(began.Add(28500 * time.Millisecond)))
		slow.mu.Lock()
		slow.wait["session/"+ben.conn.Session()] = 2500 * time.Millisecond
		slow.mu.Unlock()
		for _, p := range []*page{ana, ben} {
			p.ask(doc)
		}
		fence := ana.holds(doc)
		for range 30 {
			pass(10 * time.Second)
			if got := ana.holds(doc); got != fence {
				t.Fatal(got, fence)
			}
			ben.waits(doc, 1)
		}
	})
}

// A store that fails at the wrong moment costs nobody the news, but a moment.
func TestNewsThatCannotBeReadComeALittleLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		deaf := &unreadable{Store: inner}
		one, two := open(t, inner, editlock.Config{}), open(t, deaf, editlock.Config{})
		settle()
		ana, ben := newPage(t, one, "1", "Ana"), newPage(t, two, "2", "Ben")
		ana.ask(doc)
		fence := ana.holds(doc)
		ben.ask(doc)
		ben.waits(doc, 1)
		deaf.off.Store(true)
		if _, err := ben.conn.Acquire(t.Context(), editlock.Request{Resource: doc}); !errors.Is(err, editlock.ErrUnavailable) {
			t.Fatal(err)
		}
		if _, err := ana.conn.Release(t.Context(), doc, fence, ""); err != nil {
			t.Fatal(err)
		}
		settle()
		deaf.off.Store(false)
		pass(2 * time.Second)
		ben.holds(doc)
	})
}

// Who begins to watch is told what is so now, even if this node knew of no record a moment ago.
func TestWhoBeginsToWatchIsToldWhatIsSoNow(t *testing.T) {
	twoNodes(t, func(t *testing.T, one, two *editlock.Manager, soon time.Duration) {
		eva, ben, ana := newPage(t, two, "3", "Eva"), newPage(t, two, "2", "Ben"), newPage(t, one, "1", "Ana")
		if _, err := eva.conn.Watch(t.Context(), doc, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := ana.conn.Acquire(t.Context(), editlock.Request{Resource: doc}); err != nil {
			t.Fatal(err)
		}
		if s, err := ben.conn.Watch(t.Context(), doc, 0); err != nil || s.Holder == nil {
			t.Fatalf("it is held, but who begins to watch is told %+v, %v", s, err)
		}
	})
}

// That there was no record is no newer than the record that was made since.
func TestNewsIsNotOlderThanThatThereWasNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		slow := &unhurried{Store: inner, wait: map[string]time.Duration{"lock/" + doc: time.Second}}
		one, two := open(t, inner, editlock.Config{}), open(t, slow, editlock.Config{})
		eva, ben, ana := newPage(t, two, "3", "Eva"), newPage(t, two, "2", "Ben"), newPage(t, one, "1", "Ana")
		go func() {
			s, err := eva.conn.Watch(t.Context(), doc, 0)
			if err != nil {
				t.Error(err)
			}
			eva.notify(s)
		}()
		settle()
		ana.ask(doc)
		ben.ask("article/9")
		pass(4 * time.Second)
		if s := eva.now(doc); s.Holder == nil || s.Holder.User.Name != "Ana" {
			t.Fatalf("it is held, but who looks on was told %+v", s)
		}
	})
}

// unreadable is a store that answers for no lock while it is off.
type unreadable struct {
	store.Store
	off atomic.Bool
}

func (u *unreadable) Get(ctx context.Context, key string) (store.Record, error) {
	if u.off.Load() && strings.HasPrefix(key, "lock/") {
		return store.Record{}, store.ErrUnavailable
	}
	return u.Store.Get(ctx, key)
}

// A session whose first record was made without its node being told has come back to another node meanwhile, and ended there. It does not
// come to life again by what the first node still has to do for it.
func TestClaimOfUnknownOutcomeDoesNotReviveASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		stopped := &unheard{Store: inner}
		st := &faulty{Store: stopped}
		one, two := open(t, st, editlock.Config{}), open(t, inner, editlock.Config{})
		ana := newPage(t, one, "1", "Ana")
		id := ana.conn.Session()
		st.fail(func(ctx context.Context, batch []store.Group) ([]store.Result, error) {
			st.fail(nil)
			if _, err := inner.Apply(ctx, batch); err != nil {
				t.Error(err)
			}
			stopped.deaf.Store(true)
			ana.silent()
			if err := ana.back(two); err != nil {
				t.Error(err)
			}
			ana.leave()
			<-time.After(7 * time.Second)
			stopped.deaf.Store(false)
			return nil, store.ErrUnknown
		})
		if s, err := ana.conn.Acquire(t.Context(), editlock.Request{Resource: doc}); err == nil {
			t.Errorf("an older connection was given %+v", s)
		}
		pass(5 * time.Second)
		if rec, err := inner.Get(t.Context(), "session/"+id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session has a record again: %s, %v", rec.Data, err)
		}
		free(t, two, doc)
	})
}

// A claim whose outcome nobody told, and whose session's record then cannot be read at once, holds up neither who asked nor what is heard.
func TestClaimOfUnknownOutcomeDoesNotWaitForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		st := &unheard{Store: inner}
		faulty := &faulty{Store: st}
		m := open(t, faulty, editlock.Config{})
		ana := newPage(t, m, "1", "Ana")
		faulty.fail(func(ctx context.Context, batch []store.Group) ([]store.Result, error) {
			faulty.fail(nil)
			_, _ = inner.Apply(ctx, batch)
			st.once.Store(true)
			return nil, store.ErrUnknown
		})
		began := time.Now()
		ana.ask(doc)
		if took := time.Since(began); took > time.Second {
			t.Errorf("the answer took %v", took)
		}
		ana.holds(doc)
	})
}

// unheard is a store of which the next look at a session fails, or that tells no changes.
type unheard struct {
	store.Store
	once, deaf atomic.Bool
}

func (s *unheard) Changes(ctx context.Context, after int64, limit int, prefixes ...string) ([]store.Record, int64, error) {
	if s.deaf.Load() {
		return nil, 0, store.ErrUnavailable
	}
	return s.Store.Changes(ctx, after, limit, prefixes...)
}

func (s *unheard) Get(ctx context.Context, key string) (store.Record, error) {
	if strings.HasPrefix(key, "session/") && s.once.CompareAndSwap(true, false) {
		return store.Record{}, store.ErrUnavailable
	}
	return s.Store.Get(ctx, key)
}

// A node has ended a session and forgotten it, and the session has come back to another. What the first node had still to do for that
// end, since its attempt had failed, costs the session nothing that it has got since.
func TestEndOfAForgottenSessionIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		slow := &hardOfHearing{Store: inner}
		st := &faulty{Store: slow}
		one := open(t, st, editlock.Config{})
		pass(400 * time.Millisecond)
		two := open(t, hintless{inner}, editlock.Config{}) // looks at what has changed every other second
		ana, ben, cleo := newPage(t, one, "1", "Ana"), newPage(t, two, "2", "Ben"), newPage(t, one, "3", "Cleo")
		ana.ask(doc)
		ana.holds(doc)
		ben.ask(doc)
		asks := func(p *page) {
			s, err := p.conn.Acquire(t.Context(), editlock.Request{Resource: doc})
			if err != nil {
				t.Error(err)
			}
			p.notify(s)
		}
		pass(3 * time.Second) // the other node knows of her, and will not have heard of her end when she comes
		writes := 0
		st.fail(func(ctx context.Context, batch []store.Group) ([]store.Result, error) {
			if !slices.ContainsFunc(batch, func(g store.Group) bool { return g[0].Key == "lock/"+doc }) {
				return inner.Apply(ctx, batch)
			}
			switch writes++; writes {
			case 1: // her end
				go asks(cleo)
				<-time.After(1500 * time.Millisecond) // it is begun once more
			case 2: // Cleo; meanwhile Ana is forgotten, and then she comes back elsewhere
				<-time.After(100 * time.Millisecond)
				go func() {
					<-time.After(50 * time.Millisecond)
					if _, err := inner.Get(t.Context(), "session/"+ana.conn.Session()); !errors.Is(err, store.ErrNotFound) {
						t.Error("she is not forgotten:", err)
					}
					if err := ana.back(two); err != nil {
						t.Error(err)
					}
					asks(ana)
				}()
			case 3: // her end, again: it fails, and what is done about that takes until she is back
				slow.wait.Store(true)
			}
			return inner.Apply(ctx, batch)
		})
		ana.leave()
		pass(15 * time.Second)
		if ana.conn.Epoch() != 2 {
			t.Fatalf("she is not back, but somebody else, after %d writes", writes)
		}
		ben.holds(doc)
		ana.waits(doc, 2)
	})
}

// hardOfHearing is a store that takes its time for the next look at what has changed.
type hardOfHearing struct {
	store.Store
	wait atomic.Bool
}

func (s *hardOfHearing) Changes(ctx context.Context, after int64, limit int, prefixes ...string) ([]store.Record, int64, error) {
	if s.wait.CompareAndSwap(true, false) {
		<-time.After(200 * time.Millisecond)
	}
	return s.Store.Changes(ctx, after, limit, prefixes...)
}
