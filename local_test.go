package editlock_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// letIn fails the test unless a newcomer's page holds the resource within the time.
func letIn(t *testing.T, m *editlock.Manager, within time.Duration) {
	t.Helper()
	p := newPage(t, m, "newcomer", "Newcomer")
	p.ask(doc)
	for start := time.Now(); p.mine(doc).State != editlock.MineHeld; {
		if pass(time.Second); time.Since(start) > within {
			t.Fatalf("%s is stuck: %+v", doc, p.now(doc))
		}
	}
}

// program runs f on a store that can fail.
func program(t *testing.T, f func(t *testing.T, st *faulty, m *editlock.Manager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		st := &faulty{Store: mem.New()}
		f(t, st, open(t, st, editlock.Config{}))
	})
}

// Whatever a program of this process leaves behind is given back: nothing is held that no caller knows of.
// Faults: D1, D3, Q3.
func TestNothingIsHeldThatNoCallerKnowsOf(t *testing.T) {
	t.Run("closed while the store is down", func(t *testing.T) {
		program(t, func(t *testing.T, st *faulty, m *editlock.Manager) {
			ana := session(t, m, "1", "Ana")
			if _, err := ana.Acquire(t.Context(), doc); err != nil {
				t.Fatal(err)
			}
			st.fail(down)
			if err := ana.Close(); !errors.Is(err, editlock.ErrUnavailable) {
				t.Fatal(err)
			}
			st.fail(nil)
			letIn(t, m, 5*time.Second)
		})
	})
	t.Run("closed while an acquire is written", func(t *testing.T) {
		program(t, func(t *testing.T, st *faulty, m *editlock.Manager) {
			ana := session(t, m, "1", "Ana")
			st.fail(func(ctx context.Context, b []store.Group) ([]store.Result, error) {
				<-time.After(50 * time.Millisecond)
				return st.Store.Apply(ctx, b)
			})
			got := make(chan error)
			go func() {
				_, err := ana.Acquire(t.Context(), doc)
				got <- err
			}()
			pass(10 * time.Millisecond)
			if err := ana.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-got; !errors.Is(err, editlock.ErrClosed) {
				t.Fatalf("the acquire: %v", err)
			}
			st.fail(nil)
			letIn(t, m, 5*time.Second)
		})
	})
	t.Run("granted while nothing is vouched for", func(t *testing.T) {
		program(t, func(t *testing.T, st *faulty, m *editlock.Manager) {
			ana, ben := session(t, m, "1", "Ana"), session(t, m, "2", "Ben")
			a, err := ana.Acquire(t.Context(), doc)
			if err != nil {
				t.Fatal(err)
			}
			got := make(chan error)
			go func() {
				b, err := ben.Acquire(t.Context(), doc)
				if err == nil {
					err = b.Release(t.Context())
				}
				got <- err
			}()
			settle()
			st.fail(down)
			pass(15 * time.Second)
			st.fail(nil)
			// Before the node's next renewal: done, but this node may not say so.
			if err := a.Release(t.Context()); !errors.Is(err, editlock.ErrUnknownOutcome) {
				t.Fatalf("the release: %v", err)
			}
			<-got
			pass(4 * time.Second) // until the node has renewed its life
			letIn(t, m, 20*time.Second)
		})
	})
	t.Run("several give up at once", func(t *testing.T) {
		for range 100 {
			program(t, func(t *testing.T, st *faulty, m *editlock.Manager) {
				ana, ben := session(t, m, "1", "Ana"), session(t, m, "2", "Ben")
				a, err := ana.Acquire(t.Context(), doc)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				for range 4 {
					go func() {
						if _, err := ben.Acquire(ctx, doc); err == nil {
							t.Error("it was granted")
						}
					}()
				}
				settle()
				cancel()
				settle()
				if err := a.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
				letIn(t, m, time.Second)
			})
		}
	})
	t.Run("doubted, and nobody comes back for it", func(t *testing.T) {
		program(t, func(t *testing.T, st *faulty, m *editlock.Manager) {
			ana := session(t, m, "1", "Ana")
			a, err := ana.Acquire(t.Context(), doc)
			if err != nil {
				t.Fatal(err)
			}
			st.fail(down)
			pass(time.Minute)
			st.fail(nil)
			if !errors.Is(causeOf(a), editlock.ErrUnsure) {
				t.Fatal(causeOf(a))
			}
			pass(4 * time.Second)
			letIn(t, m, 20*time.Second)
		})
	})
}

// getter is a store that also fails to read.
type getter struct {
	faulty
	blind bool
}

func (g *getter) Get(ctx context.Context, key string) (store.Record, error) {
	g.mu.Lock()
	blind := g.blind
	g.mu.Unlock()
	if blind {
		return store.Record{}, fmt.Errorf("%w: no answer", store.ErrUnavailable)
	}
	return g.faulty.Get(ctx, key)
}

// Faults: D2, D3. An acquire whose outcome nobody learns, and the store cannot be asked either: the
// answer says so, the swap is settled later, and nobody is left holding.
func TestUnknownOutcomeIsSaidAndSettled(t *testing.T) {
	for _, landed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			st := &getter{faulty: faulty{Store: mem.New()}}
			m := open(t, st, editlock.Config{})
			ana := session(t, m, "1", "Ana")
			var late []store.Group
			st.fail(func(ctx context.Context, b []store.Group) ([]store.Result, error) {
				late = b
				if landed {
					if _, err := st.Store.Apply(ctx, b); err != nil {
						t.Error(err)
					}
				}
				st.fail(down)
				st.mu.Lock()
				st.blind = true
				st.mu.Unlock()
				return nil, fmt.Errorf("%w: cut off", store.ErrUnknown)
			})
			if _, err := ana.Acquire(t.Context(), doc); !errors.Is(err, editlock.ErrUnknownOutcome) {
				t.Fatal(err)
			}
			st.mu.Lock()
			st.blind = false
			st.mu.Unlock()
			st.fail(nil)
			pass(20 * time.Second)
			if !landed { // it comes after all, much too late
				results, err := st.Store.Apply(t.Context(), late)
				if err != nil || results[0].Err == nil {
					t.Fatalf("a late swap was not fenced off: %+v %v", results, err)
				}
			}
			letIn(t, m, 5*time.Second)
		})
	}
}

func TestClosedSessionSaysSo(t *testing.T) {
	program(t, func(t *testing.T, st *faulty, m *editlock.Manager) {
		ana := session(t, m, "1", "Ana")
		news, err := ana.Watch(t.Context(), doc)
		if err != nil {
			t.Fatal(err)
		}
		<-news
		if err := ana.Close(); err != nil {
			t.Fatal(err)
		}
		if _, open := <-news; open {
			t.Fatal("a closed session has news")
		}
		if _, err := ana.Acquire(t.Context(), doc); !errors.Is(err, editlock.ErrClosed) {
			t.Fatal(err)
		}
		if _, err := ana.Watch(t.Context(), doc); !errors.Is(err, editlock.ErrClosed) {
			t.Fatal(err)
		}
	})
}

// A name is for people: what is no text in it is shown as such. An ID tells people apart: it is refused.
// Faults: A3.
func TestUsersThatAreNoText(t *testing.T) {
	program(t, func(t *testing.T, st *faulty, m *editlock.Manager) {
		s := session(t, m, "1", "J\xf6rg\x00\n"+string(make([]byte, 100_000)))
		if _, err := s.Acquire(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"", "\xff", "a\x00", string(make([]byte, 300))} {
			if _, err := m.Session(t.Context(), editlock.User{ID: id}); !errors.Is(err, editlock.ErrBadRequest) {
				t.Errorf("%.10q: %v", id, err)
			}
		}
	})
}

// A version that is named long after the last hold is kept for those who come to ask.
func TestVersionOfARecordThatIsFree(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana, reader := newPage(t, m, "1", "Ana"), newPage(t, m, "9", "Reader")
		ana.ask(doc)
		if _, err := ana.conn.Release(t.Context(), doc, ana.holds(doc), ""); err != nil {
			t.Fatal(err)
		}
		pass(10*time.Minute + time.Second)
		if err := m.Changed(t.Context(), doc, "18"); err != nil {
			t.Fatal(err)
		}
		s, err := reader.conn.Watch(t.Context(), doc, 0)
		if err != nil || s.Version != "18" {
			t.Fatalf("%+v %v", s, err)
		}
	})
}
