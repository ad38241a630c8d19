package editlock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store/mem"
)

// History is kept as long as it should be and not much longer, each entry, however many come in a row.
func TestHistoryIsKeptAsLongAsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		const keep = 10 * time.Hour
		m := open(t, st, editlock.Config{Retention: keep})
		s := session(t, m, "1", "Ana")
		start := time.Now()
		use := func() {
			t.Helper()
			l, err := s.Acquire(t.Context(), doc)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		hold, err := s.Acquire(t.Context(), "article/held") // whose next entry comes when the first is long gone
		if err != nil {
			t.Fatal(err)
		}
		for range 240 { // 8 h, two entries every 2 min
			use()
			pass(2 * time.Minute)
		}
		pass(keep + time.Hour - time.Since(start))
		// Those of the first hour may be gone; no other is.
		if n := records(t, st, "history/"+doc); n > 480-2*20 || n < 480-2*30 {
			t.Errorf("%d entries after %v", n, time.Since(start))
		}
		entries, _, err := m.History(t.Context(), doc, "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		if oldest := time.Since(entries[0].Granted.Since); oldest < keep || oldest > keep+keep/30+2*time.Minute {
			t.Errorf("the oldest is %v old", oldest)
		}
		if err := hold.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(keep + keep/30 + time.Minute)
		if n := records(t, st, "history/"); n != 0 {
			t.Errorf("%d entries are left", n)
		}
	})
}

// The resource leaves the memory between two who edit it, so that several entries stand for spans that overlap.
func TestHistoryOfARecordThatIsRarelyOpenIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		const keep = 60 * time.Hour // a span of 1 h
		m := open(t, st, editlock.Config{Retention: keep})
		hold := func(user string, d time.Duration) {
			t.Helper()
			s, err := m.Session(t.Context(), editlock.User{ID: user, Name: user})
			if err != nil {
				t.Fatal(err)
			}
			l, err := s.Acquire(t.Context(), doc)
			if err != nil {
				t.Fatal(err)
			}
			pass(d)
			if err := l.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		hold("1", 30*time.Minute)
		pass(11 * time.Minute) // the free record is forgotten after 10
		hold("2", 40*time.Minute)
		last := time.Now()
		pass(keep - time.Minute)
		if n := records(t, st, "history/"); n == 0 {
			t.Error("the last entry is gone too soon")
		}
		pass(time.Until(last.Add(keep + keep/60 + time.Minute)))
		if n := records(t, st, "history/"); n != 0 {
			t.Errorf("%d entries are left", n)
		}
	})
}

// Who changes for how long history is kept changes it for what is written from then on.
func TestRetentionChanges(t *testing.T) {
	for name, keep := range map[string][2]time.Duration{
		"longer": {time.Hour, 20 * time.Hour}, "shorter": {20 * time.Hour, time.Hour}, "for ever no more": {-1, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := mem.New()
				use := func(m *editlock.Manager, times int) {
					t.Helper()
					s := session(t, m, "1", "Ana")
					for range times {
						l, err := s.Acquire(t.Context(), doc)
						if err != nil {
							t.Fatal(err)
						}
						if err := l.Release(t.Context()); err != nil {
							t.Fatal(err)
						}
						pass(10 * time.Second)
					}
				}
				m := open(t, st, editlock.Config{Retention: keep[0]})
				use(m, 30) // 5 min
				m.Close()
				first := records(t, st, "history/")
				m = open(t, st, editlock.Config{Retention: keep[1]})
				use(m, 30)
				both := records(t, st, "history/")
				pass(time.Hour + 10*time.Minute)
				if n := records(t, st, "history/"); n != both-first && n != first {
					t.Errorf("%d of %d entries are left, want those of the longer time: %d or %d", n, both, both-first, first)
				}
				if pass(21 * time.Hour); keep[0] < 0 {
					both = first
				} else {
					both = 0
				}
				if n := records(t, st, "history/"); n != both {
					t.Errorf("%d entries are left, want %d", n, both)
				}
			})
		})
	}
}

// Who was cut off for a while on a busy record is told how the holding ended, however much happened that day.
func TestEndOfAHoldingIsFound(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		s := session(t, m, "1", "Ana")
		use := func() int64 {
			t.Helper()
			l, err := s.Acquire(t.Context(), doc)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			return l.Fence()
		}
		for range 1500 {
			use()
			pass(10 * time.Second)
		}
		fence := use()
		pass(time.Minute)
		use()
		watcher := newPage(t, m, "2", "Ben")
		snap, err := watcher.conn.Watch(t.Context(), doc, fence)
		if err != nil || snap.Ended == nil || snap.Ended.Fence != fence || snap.Ended.Reason != editlock.Released {
			t.Errorf("%+v, %v", snap.Ended, err)
		}
	})
}
