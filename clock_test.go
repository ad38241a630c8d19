package editlock_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// skewed is a store whose clock is set.
type skewed struct {
	store.Store
	mu sync.Mutex
	by time.Duration
}

func (s *skewed) Now(ctx context.Context) (time.Time, error) {
	now, err := s.Store.Now(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Add(s.by), err
}

func (s *skewed) set(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by = by
}

// alarms counts what is logged at the level of an error.
type alarms struct {
	slog.Handler
	mu   sync.Mutex
	said []string
}

func (a *alarms) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

func (a *alarms) Handle(_ context.Context, r slog.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.said = append(a.said, r.Message)
	return nil
}

func (a *alarms) count(text string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.said {
		if strings.Contains(m, text) {
			n++
		}
	}
	return n
}

// The clock of the store is set an hour forward or back, or a whole year, while people hold, wait, have lapsed and have left. Nobody loses anything by it, whoever has gone
// is replaced in the usual time, what is lapsed can be taken back for as long as ever and ends even so, and somebody hears of it.
//
// Faults: D13
func TestStoreClockJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{
		"an hour forward": time.Hour, "an hour back": -time.Hour, "a year forward": 365 * 24 * time.Hour, "a year back": -365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, log := &skewed{Store: mem.New()}, &alarms{Handler: slog.DiscardHandler}
				jumps := 0
				m := open(t, st, editlock.Config{Logger: slog.New(log), Observer: &editlock.Observer{ClockJumped: func(got time.Duration) {
					if jumps++; (got - by).Abs() > time.Second {
						t.Errorf("a jump by %v was noticed as %v", by, got)
					}
				}}})
				holders, waiters, fences := fifty(t, m)
				asleep := newPage(t, m, "asleep", "Asleep") // with nobody behind it
				asleep.ask("draft/1")
				nap := asleep.holds("draft/1")
				gone := newPage(t, m, "gone", "Gone") // nor will it come back
				gone.ask("draft/2")
				gone.holds("draft/2")
				asleep.silent()
				gone.silent()
				pass(m.Config().TTL + 30*time.Second)

				st.set(by)
				pass(5 * time.Minute)
				stillSo(t, holders, waiters, fences)
				if jumps != 1 || log.count("the clock was set") != 1 {
					t.Errorf("the jump was noticed %d times, and logged %d times", jumps, log.count("the clock was set"))
				}
				if err := asleep.back(m); err != nil {
					t.Fatal(err)
				}
				if got := asleep.holds("draft/1"); got != nap {
					t.Errorf("taken back with fence %d, before %d", got, nap)
				}
				// Half of the holders vanish: their waiters follow within the usual time, and nobody else is touched.
				for _, h := range holders[:25] {
					h.silent()
				}
				pass(m.Config().TTL + 5*time.Second)
				for i := range holders {
					name := fmt.Sprint("article/", i)
					if i >= 25 {
						if got := holders[i].holds(name); got != fences[i] {
							t.Errorf("%s: fence %d, before %d", name, got, fences[i])
						}
					} else if got := waiters[i].holds(name); got <= fences[i] {
						t.Errorf("%s: fence %d after %d", name, got, fences[i])
					}
				}
				ben := newPage(t, m, "ben", "Ben")
				if ben.ask("draft/2"); ben.holds("draft/2") <= nap {
					t.Error("what has lapsed is not given to who asks")
				}
			})
		})
	}
}

// What has lapsed and nobody asks for ends also when the clock was set back; later than usual, by as much at most.
//
// Faults: D13
func TestLapsedEndsWhenTheClockWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &skewed{Store: mem.New()}
		m := open(t, st, editlock.Config{Logger: quiet})
		ana := newPage(t, m, "1", "Ana")
		ana.ask(doc)
		ana.holds(doc)
		ana.silent()
		pass(time.Minute)
		st.set(-time.Hour)
		pass(time.Hour + 10*time.Minute + 30*time.Second)
		free(t, m, doc)
		if got := reasons(t, m, doc); len(got) != 1 || got[0] != editlock.Expired {
			t.Error(got)
		}
	})
}
