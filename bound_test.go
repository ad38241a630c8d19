package editlock_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// Whatever the outage was, and at whatever moment it ended, who fell silent before it is replaced after 45 s of uptime, not
// sooner, and by 50 s at the latest. That is so for one who has waited all the time and for one who has only just come.
// Faults: N2, D1.
func TestSilentHolderIsReplacedInTimeAfterAnOutage(t *testing.T) {
	restart := func(t *testing.T, m *editlock.Manager, st store.Store) *editlock.Manager {
		m.Close()
		pass(10 * time.Minute)
		return open(t, st, editlock.Config{Logger: quiet})
	}
	away := func(st *faulty, d time.Duration) {
		st.fail(down)
		pass(d)
		st.fail(nil)
	}
	outages := map[string]func(*testing.T, *editlock.Manager, *faulty, time.Duration) *editlock.Manager{
		"restart": func(t *testing.T, m *editlock.Manager, st *faulty, offset time.Duration) *editlock.Manager {
			return restart(t, m, st)
		},
		"store away": func(t *testing.T, m *editlock.Manager, st *faulty, offset time.Duration) *editlock.Manager {
			away(st, 25*time.Second+offset)
			return m
		},
		"restart, and away soon after": func(t *testing.T, m *editlock.Manager, st *faulty, offset time.Duration) *editlock.Manager {
			m = restart(t, m, st)
			pass(1500 * time.Millisecond)
			away(st, 21*time.Second+offset)
			return m
		},
	}
	for name, outage := range outages {
		for _, wait := range []time.Duration{2 * time.Second, 44 * time.Second, 46 * time.Second, 47 * time.Second, 48 * time.Second} {
			for offset := time.Duration(0); offset < 2*time.Second; offset += 300 * time.Millisecond {
				t.Run(fmt.Sprintf("%s, asked after %v, %v", name, wait, offset), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						st := &faulty{Store: mem.New()}
						m := open(t, st, editlock.Config{Logger: quiet})
						ana := newPage(t, m, "1", "Ana")
						ana.ask(doc)
						ana.holds(doc)
						ana.silent()
						m = outage(t, m, st, offset)
						end := time.Now()
						pass(wait)
						ben := newPage(t, m, "2", "Ben")
						for ben.ask(doc).State != editlock.MineHeld {
							if pass(100 * time.Millisecond); time.Since(end) > 50*time.Second {
								t.Fatalf("Ben still waits %v after it", time.Since(end))
							}
						}
						if d := time.Since(end); d < 45*time.Second {
							t.Fatalf("Ana was ended %v after it", d)
						}
					})
				})
			}
		}
	}
}

// A node shows every 2 s that it lives, though the ticks of its loop come a little late now and then.
func TestLateTickDoesNotDelayRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &faulty{Store: mem.New()}
		var mu sync.Mutex
		var renewed []time.Time
		apply := func(ctx context.Context, batch []store.Group) ([]store.Result, error) {
			if strings.HasPrefix(batch[0][0].Key, "node/") {
				mu.Lock()
				renewed = append(renewed, time.Now())
				n := len(renewed)
				mu.Unlock()
				if n%4 == 0 { // so slow that the loop comes late to its next tick
					<-time.After(2*time.Second + time.Millisecond)
				}
			}
			return st.Store.Apply(ctx, batch)
		}
		st.fail(apply)
		open(t, st, editlock.Config{})
		pass(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(renewed) < 25 {
			t.Fatalf("%d renewals in a minute", len(renewed))
		}
		for i := 1; i < len(renewed); i++ {
			if d := renewed[i].Sub(renewed[i-1]); d > 2500*time.Millisecond {
				t.Errorf("%v between two renewals", d)
			}
		}
	})
}

// A short outage soon after a long one takes nothing from the 45 s that everybody has since the long one.
// Faults: N2, D1.
func TestOutageSoonAfterAnOutageCountsAgainstNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &faulty{Store: mem.New()}
		m := open(t, st, editlock.Config{Logger: quiet, TTL: 10 * time.Second})
		ana, ben := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben")
		ana.ask(doc)
		ben.ask(doc)
		ana.silent()
		for _, away := range []time.Duration{25 * time.Second, 7 * time.Second} {
			st.fail(down)
			pass(away)
			st.fail(nil)
			pass(10 * time.Second)
		}
		pass(24 * time.Second)
		ben.waits(doc, 1)
		pass(10 * time.Second)
		ben.holds(doc)
	})
}
