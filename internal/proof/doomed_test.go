package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock"
)

// doomed is pages in a handful of processes that are killed, and started again.
type doomed struct {
	url  string
	m    *editlock.Manager
	cell [5]cell

	mu              sync.Mutex
	killed          int // processes
	holders         []victim
	waiters, others int
	resources       map[string]bool // of which a holder or a waiter was killed
}

// cell is the place of one process.
type cell struct {
	mu     sync.Mutex
	random *rand.Rand
	host   *host
	room   int // how many more pages the process gets before it is killed
}

// victim held when its process was killed.
type victim struct {
	resource, session string
	fence             int64
	at                time.Time
}

func newDoomed(t *testing.T, url string, m *editlock.Manager) *doomed {
	d := &doomed{url: url, m: m, resources: map[string]bool{}}
	for i := range d.cell {
		c := &d.cell[i]
		c.random = rand.New(rand.NewPCG(2, uint64(i)))
		t.Cleanup(func() {
			if c.host != nil {
				c.host.kill()
			}
		})
	}
	return d
}

// visit opens a page that asks for the resource in one of the processes. It returns after a moment, or when the process
// was killed before that. The page lives until its process is killed.
func (d *doomed) visit(ctx context.Context, user, resource string, moment time.Duration) error {
	h, g, err := d.invite(ctx, user, resource, moment)
	if err != nil {
		return err
	}
	return stay(ctx, h, g, moment)
}

// stay waits for the answer to a page, or the end of its process, and a moment longer.
func stay(ctx context.Context, h *host, g *guest, moment time.Duration) error {
	select {
	case <-g.asked:
		return pause(ctx, moment)
	case <-h.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// invite opens the page. The last one that a process has room for brings its end, a moment later. By then most of its
// pages have been answered; the last ones are anywhere between connecting and holding.
func (d *doomed) invite(ctx context.Context, user, resource string, moment time.Duration) (*host, *guest, error) {
	c := &d.cell[rand.IntN(len(d.cell))]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.host == nil {
		var err error
		if c.host, err = startHost(d.url); err != nil {
			return nil, nil, err
		}
		c.room = 6 + c.random.IntN(16)
	}
	h := c.host
	g, err := h.invite(user, resource)
	if err != nil {
		return nil, nil, err
	}
	if c.room--; c.room == 0 {
		for _, g := range h.guests[:len(h.guests)-2] {
			if err := stay(ctx, h, g, 0); err != nil {
				return nil, nil, err
			}
		}
		if err := pause(ctx, moment); err != nil {
			return nil, nil, err
		}
		c.host = nil
		return h, g, d.kill(ctx, h)
	}
	return h, g, nil
}

// kill kills a process, and notes where its pages stood.
func (d *doomed) kill(ctx context.Context, h *host) error {
	select {
	case <-h.gone:
		return fmt.Errorf("a process of pages ended by itself: %v", h.cmd.ProcessState)
	default:
	}
	h.kill()
	at := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killed++
	for _, g := range h.guests {
		s := g.last()
		if s.Error != "" {
			return fmt.Errorf("%s: a page: %s", g.resource, s.Error)
		}
		held := s.State == "held"
		if held {
			_, err := d.m.Check(ctx, g.resource, s.Session, s.Fence)
			held = err == nil
		}
		switch {
		case s.State == "waiting":
			d.waiters++
		case held: // a ghost, if it stays so
			d.holders = append(d.holders, victim{g.resource, s.Session, s.Fence, at})
		default:
			d.others++
			continue
		}
		d.resources[g.resource] = true
	}
	return nil
}

// killAll kills the processes that are left. A churn whose kills hit too few is void.
func (d *doomed) killAll(t *testing.T) {
	t.Helper()
	for i := range d.cell {
		if c := &d.cell[i]; c.host != nil {
			if err := d.kill(t.Context(), c.host); err != nil {
				t.Fatal(err)
			}
			c.host = nil
		}
	}
	t.Logf("%d processes were killed, with %d holders and %d waiters in %d resources, and %d other pages",
		d.killed, len(d.holders), d.waiters, len(d.resources), d.others)
	if len(d.holders) < 60 || d.waiters < 300 || len(d.resources) < 250 {
		t.Error("void: at least 60 holders and 300 waiters in 250 resources were to be killed")
	}
}

// areGone looks for each holder that was killed at how its holding ended: once, and by time. How soon is shown by other
// tests; here the machine is full.
func (d *doomed) areGone(t *testing.T) {
	t.Helper()
	handedOver, longest := 0, time.Duration(0)
	for _, v := range d.holders {
		entries, _, err := d.m.History(t.Context(), v.resource, "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		var ended []editlock.HistoryEntry
		for _, e := range entries {
			if e.Ended != nil && e.Ended.Session == v.session && e.Ended.Fence == v.fence {
				ended = append(ended, e)
			}
		}
		if len(ended) != 1 || ended[0].Ended.Reason != editlock.Expired {
			t.Errorf("%s: a killed holder with fence %d ended %d times: %+v", v.resource, v.fence, len(ended), ended)
			continue
		}
		longest = max(longest, ended[0].At.Sub(v.at))
		if ended[0].Granted != nil {
			handedOver++
		}
	}
	t.Logf("%d of %d killed holders handed over to the next in line, the last %v after its end",
		handedOver, len(d.holders), longest.Round(100*time.Millisecond))
	if handedOver < len(d.holders)/2 {
		t.Error("void: at least half of the killed holders were to have somebody behind them")
	}
}
