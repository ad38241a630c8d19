package sim

import "time"

// fault is something that goes wrong.
type fault struct {
	name string
	f    func(*world)
}

// faults are all that can go wrong. A world has some of them.
var faults = []fault{
	{"kill", (*world).killNode},
	{"stop", (*world).stopNode},
	{"pause", (*world).pauseNode},
	{"second", (*world).secondNode},
	{"outage", (*world).storeOutage},
	{"slow", (*world).slowStore},
	{"unknown", (*world).unknownOutcomes},
	{"flaky", (*world).flakyStore},
	{"cut store", (*world).cutStore},
	{"cut", (*world).cutPage},
	{"cut all", (*world).cutPages},
	{"flap", (*world).flap},
	{"reset", (*world).reset},
	{"sleep", (*world).sleepPage},
	{"crash", (*world).crashPage},
	{"reload", (*world).reloadPage},
	{"copy", (*world).copyToken},
	{"jump", (*world).jumpClock},
	{"store clock", (*world).jumpStoreClock},
	{"hard return", (*world).hardReturn},
	{"rebalance", (*world).rebalance},
}

// rebalance tells a page to move, as a node does that has too many; where there is one node, it comes back to that. Now and then the node that it is to leave
// is cut off from the store at that time, or the line to the page fails.
func (w *world) rebalance() {
	w.mu.Lock()
	p := w.page()
	l := p.l
	sick, broken := w.chance(0.3), w.chance(0.3)
	d := w.about(10 * time.Second)
	w.mu.Unlock()
	if l == nil {
		return
	}
	l.door.push(&message{kind: move, within: time.Millisecond})
	if sick {
		w.mu.Lock()
		n := l.door.p
		n.cut = true
		w.mu.Unlock()
		w.in(d, func() { w.mu.Lock(); n.cut = false; w.mu.Unlock() })
	}
	if broken {
		w.in(w.draw(w.style.delay), func() { w.mu.Lock(); p.cut(w.pick(3), d); w.mu.Unlock() })
	}
}

func (w *world) killNode() {
	h := w.host()
	w.mu.Lock()
	w.count.Kills++
	w.mu.Unlock()
	h.kill()
	h.restart(w.draw(10 * time.Second))
}

func (w *world) stopNode() {
	h := w.host()
	w.mu.Lock()
	w.count.Stops++
	w.mu.Unlock()
	h.stop(w.draw(3 * time.Second))
	h.restart(w.draw(2 * time.Second)) // perhaps before the old one has ended
}

func (w *world) pauseNode() {
	h := w.host()
	w.mu.Lock()
	p := h.now
	w.count.Pauses++
	d := w.about(20 * time.Second)
	w.mu.Unlock()
	if p != nil {
		p.pause(min(d, 110*time.Second))
	}
}

// secondNode starts a process while an older one of the host is stopped, or cut off, and still lives: as after a fail-over.
func (w *world) secondNode() {
	h := w.host()
	w.mu.Lock()
	p := h.now
	d := w.about(40 * time.Second)
	w.count.Pauses++
	w.mu.Unlock()
	if p == nil {
		h.start()
		return
	}
	p.pause(min(d, 110*time.Second))
	h.start()
	w.in(min(2*d, 115*time.Second), p.kill)
}

func (w *world) storeOutage() {
	w.mu.Lock()
	w.disk.away = true
	w.count.Outages++
	d := w.about(15 * time.Second)
	w.mu.Unlock()
	w.in(d, func() { w.mu.Lock(); w.disk.away = false; w.mu.Unlock() })
}

func (w *world) slowStore() {
	w.mu.Lock()
	w.disk.slow = w.about(time.Second)
	d := w.about(20 * time.Second)
	w.mu.Unlock()
	w.in(d, func() { w.mu.Lock(); w.disk.slow = 0; w.mu.Unlock() })
}

func (w *world) unknownOutcomes() {
	w.mu.Lock()
	w.disk.unknown = 0.05 + 0.5*w.rng.Float64()
	d := w.about(20 * time.Second)
	w.mu.Unlock()
	w.in(d, func() { w.mu.Lock(); w.disk.unknown = 0; w.mu.Unlock() })
}

func (w *world) flakyStore() {
	w.mu.Lock()
	w.count.Outages++
	d := min(w.about(30*time.Second), 110*time.Second)
	w.mu.Unlock()
	w.ail(d)
}

// hardReturn makes pages come back, to a node that has just started or when their time is all but over, and the store is not well just then:
// as where what had cut them off had to do with what ails it.
func (w *world) hardReturn() {
	w.mu.Lock()
	w.count.Returns++
	how, gap := w.pick(3), w.about(2*time.Second)
	last := w.between(w.style.ttl-4*time.Second, w.style.ttl+4*time.Second)
	sick, h := w.about(10*time.Second), w.hosts[w.pick(len(w.hosts))]
	w.mu.Unlock()
	switch how {
	case 0:
		h.kill()
		h.restart(gap)
		last = 2*gap + w.style.disk*20 // it has to read what there is
	case 1:
		w.mu.Lock()
		w.page().sleep(last)
		w.mu.Unlock()
	case 2:
		w.mu.Lock()
		w.page().cut(w.pick(3), last)
		w.mu.Unlock()
	}
	w.in(max(0, last-gap), func() { w.ail(gap + sick) })
}

// ail makes the store unwell for a while: many calls do not find it, or it does not say what it did, and it may be slow.
func (w *world) ail(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disk.unknown, w.disk.flaky = 0.2+0.6*w.rng.Float64(), 0.5*w.rng.Float64()
	if w.chance(0.5) {
		w.disk.slow = w.about(time.Second)
	}
	w.in(d, func() { w.mu.Lock(); w.disk.flaky, w.disk.slow, w.disk.unknown = 0, 0, 0; w.mu.Unlock() })
}

func (w *world) cutStore() {
	h := w.host()
	w.mu.Lock()
	defer w.mu.Unlock()
	p := h.now
	if p == nil {
		return
	}
	p.cut = true
	w.count.Cuts++
	d := w.about(20 * time.Second)
	w.in(d, func() { w.mu.Lock(); p.cut = false; w.mu.Unlock() })
}

func (w *world) cutPage() {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.about(20 * time.Second)
	if w.chance(0.5) { // comes back when its time is just over, or nearly, or when somebody else has just been let in
		d = w.between(w.style.ttl-4*time.Second, w.style.ttl+12*time.Second)
	}
	w.page().cut(w.pick(3), d)
}

func (w *world) cutPages() {
	w.mu.Lock()
	defer w.mu.Unlock()
	how, d := w.pick(3), w.about(20*time.Second)
	for _, p := range w.pages {
		p.cut(how, d)
	}
}

// flap gives a page a bad line for a while: each way is cut now and then, and what is held up comes through later.
func (w *world) flap() {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.page()
	w.count.Cuts++
	end := time.Now().Add(min(10*time.Second+w.about(40*time.Second), 100*time.Second))
	var turn func()
	turn = func() {
		left := time.Until(end)
		p.cutUp, p.cutDown = left > 0 && w.chance(0.5), left > 0 && w.chance(0.5)
		p.through()
		if left > 0 {
			w.later(min(left, w.about(5*time.Second)), turn)
		}
	}
	turn()
}

// cut stops the network of a page, in one direction or both, for a while.
func (p *page) cut(how int, d time.Duration) {
	p.w.count.Cuts++
	p.cutUp, p.cutDown = how != 1, how != 0
	p.w.in(min(d, 110*time.Second), func() { p.w.mu.Lock(); p.mend(); p.w.mu.Unlock() })
}

func (p *page) mend() {
	p.cutUp, p.cutDown = false, false
	p.through()
}

func (p *page) through() {
	for _, l := range []*link{p.l, p.old} {
		if l != nil {
			l.mended()
		}
	}
}

func (w *world) reset() {
	w.mu.Lock()
	l := w.page().l
	w.mu.Unlock()
	if l != nil {
		l.door.broken()
	}
}

func (w *world) sleepPage() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.page().sleep(min(w.about(40*time.Second), 110*time.Second))
}

func (w *world) crashPage() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.page(); !p.asleep {
		p.vanish()
	}
}

func (w *world) reloadPage() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.page().reload()
}

// copyToken lets another use the page's resume token, as it is or as it was.
func (w *world) copyToken() {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, to := w.page(), w.reachable()
	if p.session == "" || to == nil {
		return
	}
	w.count.Copies++
	epoch := p.epoch - int64(w.pick(2))
	p.compromised = true
	l := newLink(&page{w: w, name: "a copy", user: p.user}, to)
	m := &message{kind: hello, user: p.user, nonce: "a copy", sent: time.Now()}
	m.resume = newResume(p.session, epoch)
	l.toNode(m)
	w.in(time.Second, func() { l.door.broken() })
}

func (w *world) jumpClock() {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.page()
	if p.asleep || p.slept > 0 && time.Since(p.awake) < 2*w.style.ttl {
		return // one of the two clocks runs on
	}
	w.count.Jumps++
	p.set += w.between(-2*time.Hour, 2*time.Hour)
	p.noSleep = time.Now().Add(2 * w.style.ttl)
}

func (w *world) jumpStoreClock() {
	h := w.host()
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.now != nil {
		w.count.StoreJumps++
		h.now.skew = w.between(-2*time.Hour, 2*time.Hour)
	}
}
