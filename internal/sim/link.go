package sim

import "time"

// link is a connection between a page and a process: in both directions messages take their time, in order unless the world
// is one in which they overtake each other.
type link struct {
	w    *world
	p    *page
	door *door

	// Guarded by w.mu, which the methods want held.
	over           bool
	lastUp, lastDn time.Time
	held           []late // what waits for a cut to be mended
}

func newLink(p *page, to *process) *link {
	l := &link{w: p.w, p: p}
	p.w.judge.doors++
	l.door = &door{p: to, l: l, number: p.w.judge.doors}
	to.doors[l.door] = struct{}{}
	return l
}

// when draws the moment at which a message that is sent now arrives.
func (l *link) when(last *time.Time) time.Duration {
	at := time.Now().Add(time.Millisecond + l.w.about(l.w.style.delay))
	if !at.After(*last) && !l.w.chance(l.w.style.reorder) {
		at = last.Add(time.Nanosecond)
	}
	if at.After(*last) {
		*last = at
	}
	return time.Until(at)
}

func (l *link) toNode(m *message) {
	if l.over {
		return
	}
	l.w.sayLocked(l.p.name, "-> %s #%d %s fence %d ping %d", kinds[m.kind], m.id, m.ask.Resource, m.fence, m.ping)
	take := func() {
		l.w.mu.Unlock() // it may have to wait
		l.door.take(m)
		l.w.mu.Lock()
	}
	l.deliver(up, take)
	if m.kind != hello && m.kind != pong && l.w.chance(l.w.style.double) {
		l.deliver(up, take)
	}
}

func (l *link) toPage(m *message) {
	if l.over {
		return
	}
	l.deliver(down, func() { l.p.gets(l, m) })
}

// way is the direction of a message.
type way int

const (
	up   way = iota // to the node
	down            // to the page
)

// late is a message that is held up.
type late struct {
	to way
	f  func()
}

// deliver calls f when the message arrives.
func (l *link) deliver(to way, f func()) {
	last := &l.lastUp
	if to == down {
		last = &l.lastDn
	}
	l.w.later(l.when(last), func() {
		switch {
		case l.w.done:
		case to == up && l.p.cutUp, to == down && l.p.cutDown:
			l.held = append(l.held, late{to, f})
		default:
			f()
		}
	})
}

// mended lets what was held up through, unless that way is still cut, and if the connection has survived.
func (l *link) mended() {
	held := l.held
	l.held = nil
	for _, m := range held {
		l.deliver(m.to, m.f)
	}
}

// end is the end of the connection at the node's side. The page hears of it, unless it is cut off.
func (l *link) end() {
	if l.over {
		return
	}
	m := &message{kind: closed, code: lost}
	l.toPage(m)
	l.over = true
}

// drop ends the connection from the page's side, which says nothing.
func (l *link) drop() {
	if l.over {
		return
	}
	l.over = true
	d := l.door
	l.deliver(up, func() {
		l.w.mu.Unlock()
		d.broken()
		l.w.mu.Lock()
	})
}
