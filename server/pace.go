package server

import (
	"sync"
	"time"
)

// paces limit how often each of many may do something: so many a second in the long run, and some at once.
type paces[K comparable] struct {
	every time.Duration // between two, in the long run
	burst time.Duration // how far ahead of that one may be

	mu    sync.Mutex
	next  map[K]time.Time // when one will have made up for all it did; absent: it has
	swept time.Time       // when next was last cleared of what is past
}

func newPaces[K comparable](aSecond, atOnce int) *paces[K] {
	every := time.Second / time.Duration(aSecond)
	return &paces[K]{every: every, burst: every * time.Duration(atOnce), next: map[K]time.Time{}}
}

// allow counts one more, or says how long until it may be.
func (p *paces[K]) allow(who K, now time.Time) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.next[who]
	if next.Before(now) {
		next = now
	}
	next = next.Add(p.every)
	if wait = next.Sub(now.Add(p.burst)); wait > 0 {
		return wait
	}
	if now.Sub(p.swept) >= max(p.burst, time.Second) { // so there are no more of them than came in two bursts
		p.swept = now
		for k, t := range p.next {
			if !t.After(now) {
				delete(p.next, k)
			}
		}
	}
	p.next[who] = next
	return 0
}
