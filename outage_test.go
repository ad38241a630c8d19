package editlock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// faulty is a store that fails when it is told to.
type faulty struct {
	store.Store
	mu    sync.Mutex
	apply func(ctx context.Context, batch []store.Group) ([]store.Result, error) // nil: as the store does
}

func (f *faulty) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	f.mu.Lock()
	apply := f.apply
	f.mu.Unlock()
	if apply == nil {
		apply = f.Store.Apply
	}
	return apply(ctx, batch)
}

func (f *faulty) fail(apply func(context.Context, []store.Group) ([]store.Result, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.apply = apply
}

func down(context.Context, []store.Group) ([]store.Result, error) {
	return nil, fmt.Errorf("%w: no room left", store.ErrUnavailable)
}

// fifty makes 50 pages that hold a resource each and 50 that wait for them.
func fifty(t *testing.T, m *editlock.Manager) (holders, waiters []*page, fences []int64) {
	t.Helper()
	for i := range 50 {
		h := newPage(t, m, fmt.Sprint("h", i), "Holder")
		h.ask(fmt.Sprint("article/", i))
		w := newPage(t, m, fmt.Sprint("w", i), "Waiter")
		w.ask(fmt.Sprint("article/", i))
		holders, waiters = append(holders, h), append(waiters, w)
		fences = append(fences, h.holds(fmt.Sprint("article/", i)))
	}
	return holders, waiters, fences
}

func stillSo(t *testing.T, holders, waiters []*page, fences []int64) {
	t.Helper()
	for i := range holders {
		name := fmt.Sprint("article/", i)
		if got := holders[i].holds(name); got != fences[i] {
			t.Fatalf("%s: fence %d, before %d", name, got, fences[i])
		}
		waiters[i].waits(name, 1)
	}
}

// Faults: N1, N2. Every node is down for ten minutes; then all come back, some late. Nodes that keep
// restarting neither end a session too soon nor keep a dead one for ever.
func TestRestartCostsNobodyAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		m := open(t, st, editlock.Config{})
		holders, waiters, fences := fifty(t, m)
		for _, p := range append(holders, waiters...) {
			p.silent()
		}
		m.Close()
		pass(10 * time.Minute)
		m = open(t, st, editlock.Config{})
		pass(40 * time.Second)
		for i := range holders {
			if err := holders[i].back(m); err != nil {
				t.Fatal(err)
			}
			if err := waiters[i].back(m); err != nil {
				t.Fatal(err)
			}
		}
		stillSo(t, holders, waiters, fences)
		pass(5 * time.Minute)
		stillSo(t, holders, waiters, fences)
	})
}

func TestSessionsThatDoNotComeBackEndAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		m := open(t, st, editlock.Config{})
		ana, ben := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
		ana.ask(doc)
		ben.ask(doc)
		ana.silent()
		ben.silent()
		m.Close()
		pass(time.Minute)
		m = open(t, st, editlock.Config{})
		if err := ben.back(m); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		pass(44 * time.Second)
		ben.waits(doc, 1)
		for ben.mine(doc).State != editlock.MineHeld {
			if pass(100 * time.Millisecond); time.Since(start) > 50*time.Second {
				t.Fatalf("Ben still waits %v after the restart", time.Since(start))
			}
		}
	})
}

func TestRestartsInARowStillEndTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		m := open(t, st, editlock.Config{})
		ana := newPage(t, m, "1", "Ana")
		ana.ask(doc)
		ana.silent()
		m.Close()
		up := time.Duration(0)
		for {
			m = open(t, st, editlock.Config{})
			pass(20 * time.Second)
			up += 20 * time.Second
			w := newPage(t, m, "9", "Watcher")
			s, err := w.conn.Watch(t.Context(), doc, 0)
			if err != nil {
				t.Fatal(err)
			}
			m.Close()
			if s.State == editlock.Lapsed {
				break
			}
			if up > 100*time.Second {
				t.Fatalf("after %v of uptime in pieces she still holds", up)
			}
		}
		if up < 45*time.Second {
			t.Fatalf("she was ended after %v of uptime", up)
		}
	})
}

// Faults: D1, D6, D12. The store cannot write for a minute; nothing is acknowledged, and nobody is ended for it.
func TestStoreOutageEndsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &faulty{Store: mem.New()}
		m := open(t, st, editlock.Config{})
		holders, waiters, fences := fifty(t, m)
		new := newPage(t, m, "n", "New")
		st.fail(down)
		if _, err := new.conn.Acquire(t.Context(), editlock.Request{Resource: doc}); !errors.Is(err, editlock.ErrUnavailable) {
			t.Fatalf("a grant without a store: %v", err)
		}
		pass(12 * time.Second)
		if m.Ready() == nil || holders[0].conn.Heard() || holders[0].conn.Held() != nil {
			t.Fatal("the node vouches though it cannot renew its life")
		}
		for _, p := range append(holders, waiters...) {
			p.silent() // their pongs get lost: by our fault, for all they know
		}
		pass(time.Minute)
		st.fail(nil)
		pass(40 * time.Second)
		for i := range holders {
			if err := holders[i].back(m); err != nil {
				t.Fatal(err)
			}
			if err := waiters[i].back(m); err != nil {
				t.Fatal(err)
			}
		}
		stillSo(t, holders, waiters, fences)
		if new.ask(doc).State == editlock.MineNone {
			t.Fatal("it did not heal")
		}
	})
}

// Faults: D1, D12. Who lost the connection just before the store failed cannot come back, since a resume is stored. That
// time is ours, also in an outage that is too short for everybody to get their time afresh.
func TestShortStoreOutageCountsAgainstNobody(t *testing.T) {
	for _, outage := range []time.Duration{6 * time.Second, 9 * time.Second, 14 * time.Second, 30 * time.Second} {
		t.Run(outage.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &faulty{Store: mem.New()}
				m := open(t, st, editlock.Config{TTL: 10 * time.Second})
				holders, waiters, fences := fifty(t, m)
				pass(5 * time.Second)
				for _, p := range append(holders, waiters...) {
					p.silent()
				}
				pass(3 * time.Second)
				st.fail(down)
				pass(outage)
				st.fail(nil)
				pass(4 * time.Second) // renewals come every 2 s, and until one is confirmed the node vouches for nothing
				for i := range holders {
					if err := errors.Join(holders[i].back(m), waiters[i].back(m)); err != nil {
						t.Fatal(err)
					}
					if got := waiters[i].conn.Snapshots(); len(got) != 1 || got[0].Mine.State != editlock.MineWaiting {
						t.Fatalf("the waiter came back to %+v", got)
					}
				}
				stillSo(t, holders, waiters, fences)
			})
		})
	}
}

// Faults: D2, D3. Commits whose outcome nobody learns: written, or not, or written later.
func TestUnknownOutcomeGrantsOnce(t *testing.T) {
	for _, how := range []string{"written", "not written", "written late"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := mem.New()
				st := &faulty{Store: inner}
				m := open(t, st, editlock.Config{})
				ana, ben := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
				failed := 0
				st.fail(func(ctx context.Context, batch []store.Group) ([]store.Result, error) {
					if failed++; failed > 3 {
						return inner.Apply(ctx, batch)
					}
					switch how {
					case "written":
						if _, err := inner.Apply(ctx, batch); err != nil {
							t.Error(err)
						}
					case "written late":
						late := time.Duration(failed) * time.Second
						go func() {
							<-time.After(late)
							_, _ = inner.Apply(context.WithoutCancel(ctx), batch)
						}()
					}
					return nil, store.ErrUnknown
				})
				ana.ask(doc)
				pass(5 * time.Second)
				ana.ask(doc)
				ana.holds(doc)
				ben.ask(doc)
				ben.waits(doc, 1)
				entries, _, err := m.History(t.Context(), doc, "", 100)
				if err != nil || len(entries) != 1 || entries[0].Granted.Name != "Ana" {
					t.Fatalf("%+v %v", entries, err)
				}
				ana.leave()
				pass(6 * time.Second)
				ben.holds(doc)
				ben.leave()
				pass(6 * time.Second)
				free(t, m, doc)
			})
		})
	}
}

// Faults: D1, Q1. A grant is made just before an outage: its page has its time afresh after it.
func TestOutageDoesNotCountAgainstAGrantOrALapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &faulty{Store: mem.New()}
		m := open(t, st, editlock.Config{})
		ana, ben, cleo, dora := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben"), newPage(t, m, "3", "Cleo"), newPage(t, m, "4", "Dora")
		dora.ask("article/7")
		lapsing := dora.holds("article/7")
		dora.silent()
		pass(32 * time.Second)
		ana.ask(doc)
		ben.ask(doc)
		cleo.ask(doc)
		ben.absent = true
		if _, err := ana.conn.Release(t.Context(), doc, ana.holds(doc), ""); err != nil {
			t.Fatal(err)
		}
		settle()
		grant := ben.mine(doc)
		if grant.State != editlock.MineGranted {
			t.Fatalf("%+v", grant)
		}
		st.fail(down)
		pass(20 * time.Minute)
		st.fail(nil)
		pass(9 * time.Second)
		if s, err := ben.conn.Confirm(t.Context(), doc, grant.Fence); err != nil || s.Mine.State != editlock.MineHeld {
			t.Fatalf("%+v %v", s, err)
		}
		cleo.waits(doc, 1)
		if err := dora.back(m); err != nil {
			t.Fatal(err)
		}
		if got := dora.holds("article/7"); got != lapsing {
			t.Fatalf("fence %d, before %d", got, lapsing)
		}
	})
}
