package editlock_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/editlock/editlock"
)

// Faults: Q4. A thousand ask for one resource. As many as a queue takes wait, the others are told so, and each time the lock is free
// one is woken, the next in line.
func TestOneOfManyIsWoken(t *testing.T) {
	story(t, func(t *testing.T, m *editlock.Manager) {
		ana := newPage(t, m, "ana", "Ana")
		ana.ask(doc)
		line := m.Config().Rules.Queue
		all := make([]*page, 1000)
		for i := range all {
			all[i] = newPage(t, m, fmt.Sprint("w", i), fmt.Sprint("Waiter ", i))
			s, err := all[i].conn.Acquire(t.Context(), editlock.Request{Resource: doc})
			if i < line && err != nil || i >= line && !errors.Is(err, editlock.ErrQueueFull) {
				t.Fatalf("number %d: %v", i, err)
			} else if err == nil {
				all[i].notify(s)
			}
		}
		release := func(p *page) {
			t.Helper()
			if _, err := p.conn.Release(t.Context(), doc, p.holds(doc), ""); err != nil {
				t.Fatal(err)
			}
			settle()
		}
		release(ana)
		for turn := range 20 {
			all[turn].holds(doc)
			for i, p := range all[turn+1:] {
				if p.grants != 0 {
					t.Fatalf("number %d was woken as well", turn+1+i)
				}
			}
			for i, p := range all[turn+1 : line] {
				p.waits(doc, i+1)
			}
			release(all[turn])
		}
	})
}

// Faults: Q2. The session of a waiter ends in the time between its grant and its confirmation, by a bye, by silence, or in this very moment. The lock is
// the next one's then, and history knows an owner for all of the time.
func TestWaiterEndsWhileItIsGranted(t *testing.T) {
	ways := map[string]func(t *testing.T, m *editlock.Manager, ben *page, release func()){
		"a bye": func(t *testing.T, m *editlock.Manager, ben *page, release func()) {
			release()
			ben.leave()
		},
		"a bye as it is granted": func(t *testing.T, m *editlock.Manager, ben *page, release func()) {
			go release()
			ben.leave()
		},
		"silence": func(t *testing.T, m *editlock.Manager, ben *page, release func()) {
			ben.silent()
			pass(m.Config().TTL - m.Config().Heartbeat() - 3*time.Second) // it is over in the midst of its 10 s
			release()
		},
	}
	for name, ends := range ways {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, m *editlock.Manager) {
				ana, ben, cleo := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben"), newPage(t, m, "3", "Cleo")
				ana.ask(doc)
				first := ana.holds(doc)
				ben.ask(doc)
				cleo.ask(doc)
				ben.absent = true
				ends(t, m, ben, func() {
					if _, err := ana.conn.Release(t.Context(), doc, first, ""); err != nil {
						t.Error(err)
					}
				})
				pass(11 * time.Second)
				last := cleo.holds(doc)
				pass(time.Minute)
				if got := cleo.holds(doc); got != last {
					t.Errorf("fence %d, before %d", got, last)
				}
				entries, _, err := m.History(t.Context(), doc, "", 100)
				if err != nil {
					t.Fatal(err)
				}
				var holding int64
				var granted []string
				for _, e := range entries {
					if e.Ended != nil {
						if e.Ended.Fence != holding {
							t.Errorf("fence %d ended while %d held", e.Ended.Fence, holding)
						}
						holding = 0
					}
					if e.Granted != nil {
						if holding != 0 {
							t.Errorf("fence %d was granted while %d held", e.Granted.Fence, holding)
						}
						holding = e.Granted.Fence
						granted = append(granted, e.Granted.Name)
					}
					if holding == 0 {
						t.Errorf("nobody holds after %+v", e)
					}
				}
				if want := []string{"Ana", "Ben", "Cleo"}; !slices.Equal(granted, want) && (name != "a bye as it is granted" || !slices.Equal(granted, []string{"Ana", "Cleo"})) {
					t.Errorf("granted to %v", granted)
				}
			})
		})
	}
}
