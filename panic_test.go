package editlock_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// trap is a store with a fault in its program, which shows once each time it is set.
type trap struct {
	store.Store
	mu  sync.Mutex
	set string // "get", "apply" or "applied": after the batch was done
}

func (s *trap) arm(what string) {
	s.mu.Lock()
	s.set = what
	s.mu.Unlock()
}

func (s *trap) spring(what string) {
	s.mu.Lock()
	armed := s.set == what
	if armed {
		s.set = ""
	}
	s.mu.Unlock()
	if armed {
		panic("a fault in " + what)
	}
}

func (s *trap) Get(ctx context.Context, key string) (store.Record, error) {
	if strings.HasPrefix(key, "lock/") {
		s.spring("get")
	}
	return s.Store.Get(ctx, key)
}

func (s *trap) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	if !strings.HasPrefix(batch[0][0].Key, "lock/") {
		return s.Store.Apply(ctx, batch)
	}
	s.spring("apply")
	results, err := s.Store.Apply(ctx, batch)
	s.spring("applied")
	return results, err
}

// A panic in the midst of a request costs that request. The lock that it was about goes on, so does the node, and a session that vanishes
// afterwards ends as any other.
// Faults: N6
func TestPanicLeavesNothingStuck(t *testing.T) {
	for _, where := range []string{"get", "apply", "applied"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &trap{Store: mem.New()}
				m := open(t, st, editlock.Config{Logger: quiet})
				ana, ben := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
				ana.ask("article/7")
				ana.holds("article/7")
				ben.ask("article/7")
				st.arm(where)
				_, err := ana.conn.Acquire(t.Context(), editlock.Request{Resource: doc})
				if where == "get" && !errors.Is(err, editlock.ErrUnknownOutcome) || where != "get" && err != nil {
					t.Fatal(err) // what was written is read again, and the acquire done or found done
				}
				ana.ask(doc) // who repeats it has it
				first := ana.holds(doc)
				ben.ask(doc)
				ben.waits(doc, 1)
				ana.silent()
				pass(m.Config().TTL + 5*time.Second)
				ben.holds("article/7")
				if fence := ben.holds(doc); fence <= first {
					t.Errorf("fence %d after %d", fence, first)
				}
				if err := m.Ready(); err != nil {
					t.Error(err)
				}
			}) // and the Manager closes, or the bubble does not end
		})
	}
}
