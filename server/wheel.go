package server

import (
	"sync"
	"time"
)

// wheel calls connections back at the time they asked for, late by a tick at most, with one goroutine and one ticker for all of
// them. What is further away than a round is called early, at its end, and has to ask again.
type wheel struct {
	tick  time.Duration
	start time.Time
	stop  chan struct{}
	done  chan struct{}

	mu    sync.Mutex
	turn  int64   // of the last tick that was taken
	slots []*conn // heads of lists; a connection is in slot turn % len(slots)
}

// timing is a connection's place in the wheel.
type timing struct {
	armed      bool
	slot       int
	prev, next *conn
}

const wheelSlots = 512

func newWheel(heartbeat time.Duration) *wheel {
	return &wheel{
		tick: min(max(heartbeat/100, 2*time.Millisecond), 50*time.Millisecond), start: time.Now(),
		stop: make(chan struct{}), done: make(chan struct{}), slots: make([]*conn, wheelSlots),
	}
}

// set makes the wheel call c at a time, in place of what was set before.
func (w *wheel) set(c *conn, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(c)
	turn := int64((at.Sub(w.start) + w.tick - 1) / w.tick)
	turn = min(max(turn, w.turn+1), w.turn+wheelSlots-1)
	c.armed, c.slot = true, int(turn%wheelSlots)
	if head := w.slots[c.slot]; head != nil {
		head.prev, c.timing.next = c, head
	}
	w.slots[c.slot] = c
}

// drop takes c out.
func (w *wheel) drop(c *conn) {
	w.mu.Lock()
	w.unlink(c)
	w.mu.Unlock()
}

func (w *wheel) unlink(c *conn) {
	if !c.armed {
		return
	}
	if c.prev != nil {
		c.prev.timing.next = c.timing.next
	} else {
		w.slots[c.slot] = c.timing.next
	}
	if c.timing.next != nil {
		c.timing.next.prev = c.prev
	}
	c.timing = timing{}
}

func (w *wheel) run() {
	defer close(w.done)
	ticker := time.NewTicker(w.tick)
	defer ticker.Stop()
	var due []*conn
	for {
		select {
		case <-w.stop:
			return
		case now := <-ticker.C:
			due = w.advance(now, due[:0])
			for _, c := range due {
				c.alarm(now)
			}
			clear(due)
		}
	}
}

// advance takes out everything that is due. A ticker that fell behind leaves turns out; they are made up for.
func (w *wheel) advance(now time.Time, due []*conn) []*conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	turn := int64(now.Sub(w.start) / w.tick)
	for w.turn < turn {
		w.turn++
		for c := w.slots[w.turn%wheelSlots]; c != nil; c = w.slots[w.turn%wheelSlots] {
			w.unlink(c)
			due = append(due, c)
		}
	}
	return due
}
