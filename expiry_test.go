package editlock_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// locksFail makes every group fail that swaps the record of a lock, in one of the ways in which that can happen; the life of the node and all else goes through.
func locksFail(st *faulty, tries map[string]int, mu *sync.Mutex, how func(n int, g store.Group) error) {
	st.fail(func(ctx context.Context, batch []store.Group) ([]store.Result, error) {
		results := make([]store.Result, len(batch))
		var pass []store.Group
		var at []int
		for i, g := range batch {
			if strings.HasPrefix(g[0].Key, "lock/") {
				mu.Lock()
				tries[g[0].Key]++
				n := tries[g[0].Key]
				mu.Unlock()
				if results[i].Err = how(n, g); results[i].Err != nil {
					continue
				}
			}
			pass, at = append(pass, g), append(at, i)
		}
		if len(pass) == 0 {
			return results, nil
		}
		done, err := st.Store.Apply(ctx, pass)
		if err != nil {
			return nil, err
		}
		for i, r := range done {
			results[at[i]] = r
		}
		return results, nil
	})
}

// The end of a lock cannot be written, for a quarter of an hour. It is tried again all the time, without limit and without a storm, and
// done as soon as it can be; by the next process too, if that one dies meanwhile.
//
// Faults: D14
func TestExpiryThatFailsIsDoneAgain(t *testing.T) {
	for name, why := range map[string]error{"refused": store.ErrUnavailable, "in conflict": store.ErrConflict, "unknown": store.ErrUnknown} {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, process dies: %t", name, dies), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					st := &faulty{Store: mem.New()}
					m := open(t, st, editlock.Config{Logger: quiet})
					ana, ben, cleo := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben"), newPage(t, m, "3", "Cleo")
					ana.ask(doc)
					first := ana.holds(doc)
					ben.ask(doc)
					cleo.ask(doc)
					other := newPage(t, m, "4", "Dan")
					other.ask("article/7")
					fence := other.holds("article/7")
					ana.silent()
					var mu sync.Mutex
					tries := map[string]int{}
					locksFail(st, tries, &mu, func(int, store.Group) error { return why })
					count := func() int { mu.Lock(); defer mu.Unlock(); return tries["lock/"+doc] }
					pass(m.Config().TTL + time.Minute)
					begun := count()
					pass(15 * time.Minute)
					if n := count() - begun; n < 150 || n > 15_000 {
						t.Errorf("within a quarter of an hour its end was tried %d times", n)
					}
					ben.waits(doc, 1)
					if got := other.holds("article/7"); got != fence {
						t.Error("another lock is touched")
					}
					if dies {
						m.Close()
						m = open(t, st, editlock.Config{Logger: quiet})
						for _, p := range []*page{ben, cleo, other} {
							if err := p.back(m); err != nil {
								t.Fatal(err)
							}
						}
						pass(2 * time.Minute)
						ben.waits(doc, 1)
					}
					st.fail(nil)
					pass(5 * time.Second)
					if got := ben.holds(doc); got <= first {
						t.Errorf("fence %d after %d", got, first)
					}
					cleo.waits(doc, 1)
					if got := reasons(t, m, doc); !slices.Equal(got, []editlock.Reason{editlock.Expired}) {
						t.Error(got)
					}
				})
			})
		}
	}
}

// slowly is a store that takes a while for each batch, and notes what it was asked to do.
type slowly struct {
	store.Store
	each time.Duration

	mu      sync.Mutex
	busy    int
	most    int         // groups in a batch
	renewed []time.Time // when the node renewed its life
}

func (s *slowly) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	s.mu.Lock()
	s.busy++
	alone := s.busy == 1
	s.most = max(s.most, len(batch))
	for _, g := range batch {
		if strings.HasPrefix(g[0].Key, "node/") {
			s.renewed = append(s.renewed, time.Now())
		}
	}
	s.mu.Unlock()
	if !alone {
		return nil, errors.New("two batches at once")
	}
	<-time.After(s.each)
	results, err := s.Store.Apply(ctx, batch)
	s.mu.Lock()
	s.busy--
	s.mu.Unlock()
	return results, err
}

// The time of 10,000 locks is over at one moment. They end and pass on in order, each to the first of its queue; the node goes on renewing its life meanwhile, and others who ask
// and release do not notice.
//
// Faults: D15
func TestTenThousandExpireAtOnce(t *testing.T) {
	locks := 10_000
	if testing.Short() {
		locks = 1000
	}
	const each = 50 // locks of a session
	synctest.Test(t, func(t *testing.T) {
		st := &slowly{Store: mem.New(), each: 2 * time.Millisecond}
		m := open(t, st, editlock.Config{Logger: quiet})
		holders, firsts, seconds := crowd(t, m, "holder", locks/each), crowd(t, m, "first", locks/each), crowd(t, m, "second", locks/each)
		fences := make([]int64, locks)
		for _, who := range [][]*page{holders, firsts, seconds} {
			var wg sync.WaitGroup
			for i, p := range who {
				wg.Go(func() {
					for n := i * each; n < (i+1)*each; n++ {
						if n%5 != 0 && &who[0] != &holders[0] {
							continue // nobody waits for most of them
						}
						s, err := p.conn.Acquire(t.Context(), editlock.Request{Resource: fmt.Sprint("crowd/", n)})
						if err != nil {
							t.Error(err)
							return
						}
						p.notify(s)
					}
				})
			}
			wg.Wait()
			pass(time.Second)
		}
		for n := range locks {
			fences[n] = holders[n/each].mine(fmt.Sprint("crowd/", n)).Fence
			if fences[n] == 0 {
				t.Fatalf("crowd/%d is not held", n)
			}
		}
		ana, ben := newPage(t, m, "ana", "Ana"), newPage(t, m, "ben", "Ben")
		st.mu.Lock()
		st.most, st.renewed = 0, nil
		st.mu.Unlock()
		for _, h := range holders {
			h.silent()
		}
		begun, longest := time.Now(), time.Duration(0)
		for turn := 0; time.Since(begun) < m.Config().TTL+5*time.Second; turn++ { // two honest people, all the while
			asked := time.Now()
			who := []*page{ana, ben}[turn%2]
			s, err := who.conn.Acquire(t.Context(), editlock.Request{Resource: "article/7"})
			if err == nil {
				s, err = who.conn.Confirm(t.Context(), "article/7", s.Mine.Fence)
			}
			if err == nil {
				_, err = who.conn.Release(t.Context(), "article/7", s.Mine.Fence, "")
			}
			if err != nil {
				t.Fatal(err)
			}
			longest = max(longest, time.Since(asked))
			pass(200 * time.Millisecond)
		}
		if longest > 500*time.Millisecond {
			t.Errorf("somebody else's acquire, confirm and release took %v meanwhile", longest)
		}
		st.mu.Lock()
		t.Logf("%d groups in a batch at most, others waited %v at most", st.most, longest)
		if st.most > store.MaxBatch {
			t.Errorf("%d groups in one batch", st.most)
		}
		for i := 1; i < len(st.renewed); i++ {
			if gap := st.renewed[i].Sub(st.renewed[i-1]); gap > 4*time.Second {
				t.Errorf("the node did not renew its life for %v", gap)
			}
		}
		st.mu.Unlock()
		for n := range locks {
			name := fmt.Sprint("crowd/", n)
			if n%5 == 0 {
				if mine := firsts[n/each].mine(name); mine.State != editlock.MineHeld || mine.Fence <= fences[n] {
					t.Fatalf("%s: the first of the queue is %+v", name, mine)
				}
				if mine := seconds[n/each].mine(name); mine.State != editlock.MineWaiting || mine.Position != 1 {
					t.Fatalf("%s: the second of the queue is %+v", name, mine)
				}
			}
		}
		snaps, _, err := m.List(t.Context(), "crowd/", "", locks+1, nil)
		lapsed := 0
		for _, s := range snaps {
			if s.State == editlock.Lapsed {
				lapsed++
			}
		}
		if err != nil || lapsed != locks*4/5 {
			t.Errorf("%d of the %d that nobody waits for have lapsed, %v", lapsed, locks*4/5, err)
		}
		pass(m.Config().Rules.Reclaim + 2*time.Minute) // those that nobody asks for end by and by
		if snaps, _, err := m.List(t.Context(), "crowd/", "", locks+1, nil); err != nil || len(snaps) != locks/5 {
			t.Errorf("%d are still held or lapsed, want %d, %v", len(snaps), locks/5, err)
		}
	})
}

// crowd opens many pages.
func crowd(t *testing.T, m *editlock.Manager, name string, n int) (list []*page) {
	t.Helper()
	for i := range n {
		list = append(list, newPage(t, m, fmt.Sprint(name, i), name))
	}
	return list
}
