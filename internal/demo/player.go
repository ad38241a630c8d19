package demo

import (
	"context"
	"maps"
	"slices"
	"time"
)

// One window plays at a time: two would take the article from each other, and what is counted would be their doing. It is the
// first that comes, until it goes or another says "Use it here". What pages of other windows believe is no part of the game.

// leaving is how long the pages of a window that stopped playing have to give back what they hold. One that sleeps does not.
const leaving = 5 * time.Second

// join opens a mailbox for a window, which plays if no other does, and the returned function closes it: its tabs are gone with it.
func (r *referee) join(window string) (<-chan []byte, func()) {
	box := make(chan []byte, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows[box] = window
	if r.player == "" {
		r.player = window
	}
	if !r.publishLocked(time.Now()) {
		send(box, r.last)
	}
	return box, func() {
		r.mu.Lock()
		delete(r.windows, box)
		if !r.joined(window) {
			maps.DeleteFunc(r.tabs, func(_ string, t tab) bool { return t.Window == window })
			if r.player == window {
				r.player = ""
			}
		}
		r.mu.Unlock()
		r.poke()
	}
}

// joined reports whether a window is open. mu is held.
func (r *referee) joined(window string) bool {
	return slices.Contains(slices.Collect(maps.Values(r.windows)), window)
}

// play lets a window play, in place of another, or (polite) only if none does. It reports whether that one is open.
func (r *referee) play(window string, polite bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.joined(window) {
		return false
	}
	if r.player == "" || !polite {
		r.player = window
	}
	return true
}

// plays reports whether it is that window which plays.
func (r *referee) plays(window string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.player == window
}

// alone waits until both sides are there, and the pages of windows that do not play have gone.
func (r *referee) alone(ctx context.Context) {
	select {
	case <-r.ready:
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(ctx, leaving)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r.mu.Lock()
		others := slices.ContainsFunc(slices.Collect(maps.Values(r.tabs)), func(t tab) bool { return t.Window != r.player })
		r.mu.Unlock()
		if !others {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
