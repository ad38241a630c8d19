package sim

import (
	"time"
)

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
	{"cut store", (*world).cutStore},
	{"cut", (*world).cutPage},
	{"cut all", (*world).cutPages},
	{"reset", (*world).reset},
	{"sleep", (*world).sleepPage},
	{"crash", (*world).crashPage},
	{"reload", (*world).reloadPage},
	{"copy", (*world).copyToken},
	{"jump", (*world).jumpClock},
	{"store clock", (*world).jumpStoreClock},
}

// drawStyle draws what kind of world it is. mu need not be held: nothing runs yet.
func (w *world) drawStyle() style {
	pick := func(list ...time.Duration) time.Duration { return list[w.pick(len(list))] }
	s := style{
		ttl:   pick(10*time.Second, 10*time.Second, 30*time.Second),
		hosts: 1, shared: w.cfg.Shared, pages: 2 + w.pick(7), resources: 1 + w.pick(2),
		delay: pick(time.Millisecond, 5*time.Millisecond, 50*time.Millisecond, 500*time.Millisecond),
		disk:  pick(100*time.Microsecond, time.Millisecond, 20*time.Millisecond, 200*time.Millisecond),
		every: pick(3*time.Second, 10*time.Second, 30*time.Second, 2*time.Minute),
		storm: pick(2*time.Minute, 5*time.Minute, 15*time.Minute), calm: 4 * time.Minute,
		hold: pick(2*time.Second, 10*time.Second, 40*time.Second), idle: pick(time.Second, 10*time.Second, time.Minute),
	}
	if s.shared {
		s.hosts = 1 + w.pick(2)
	}
	s.users = 1 + w.pick(s.pages)
	if w.chance(0.3) {
		s.reorder = 0.1
	}
	if w.chance(0.3) {
		s.double = 0.1
	}
	if w.chance(0.5) {
		s.rude = 0.2
	}
	if w.chance(0.4) {
		s.hidden = 0.2
	}
	n := 1 + w.pick(5)
	for _, i := range w.rng.Perm(len(faults))[:n] {
		s.faults = append(s.faults, faults[i])
	}
	return s
}

// rage is a time with faults, at most to end.
func (w *world) rage(end time.Time) {
	until := time.Now().Add(w.style.storm)
	if until.After(end) {
		until = end
	}
	for time.Now().Before(until) && len(w.judge.broken()) == 0 {
		w.mu.Lock()
		next := w.about(w.style.every)
		f := w.style.faults[w.pick(len(w.style.faults))]
		w.mu.Unlock()
		next = min(next, time.Until(until))
		w.tick(next)
		w.say("weather", "%s", f.name)
		f.f(w)
	}
}

// tick lets time pass, and counts for how much of it a node was ready.
func (w *world) tick(d time.Duration) {
	for d > 0 {
		step := min(d, time.Second)
		w.mu.Lock()
		up := false
		for _, p := range w.born { // one that is told to end still serves whom it has
			up = up || !p.over && p.m != nil && p.stopped == nil && !p.cut && !w.disk.away
		}
		w.mu.Unlock()
		if !w.wait(step) {
			return
		}
		w.mu.Lock()
		if up {
			w.judge.uptime += step
		}
		calm := w.calm
		w.mu.Unlock()
		if calm {
			w.judge.look(step)
		}
		d -= step
	}
}

// settle ends all faults, leaves one node, and sees that everybody gets a turn.
func (w *world) settle() {
	w.mu.Lock()
	w.disk.away, w.disk.slow, w.disk.unknown = false, 0, 0
	for _, p := range w.pages {
		p.mend()
	}
	var list []*process
	for _, h := range w.hosts {
		if h.now != nil {
			h.now.cut, h.now.skew = false, 0
			list = append(list, h.now)
		}
	}
	w.mu.Unlock()
	for i, h := range w.hosts {
		if i > 0 {
			h.stop(time.Second)
		}
	}
	if len(list) == 0 || w.hosts[0].now == nil {
		w.hosts[0].start()
	}
	w.say("weather", "calm")
	w.tick(2 * time.Minute) // the stopped go on, the sleepers wake
	for range 180 {
		w.mu.Lock()
		ready := w.reachable() != nil
		w.mu.Unlock()
		if ready {
			break
		}
		w.tick(time.Second)
	}
	// After an outage of all of it the bound of L1 is another.
	w.tick(max(45*time.Second, w.style.ttl+11*time.Second) + 15*time.Second)
	w.mu.Lock()
	w.calm = true
	w.judge.calm()
	w.mu.Unlock()
	w.tick(w.style.calm)
	w.mu.Lock()
	w.calm = false
	w.mu.Unlock()
}

func (w *world) host() *host {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hosts[w.pick(len(w.hosts))]
}

func (w *world) page() *page { return w.pages[w.pick(len(w.pages))] }

// in does f after about a time, if the world goes on.
func (w *world) in(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		w.mu.Lock()
		done := w.done
		w.mu.Unlock()
		if !done {
			f()
		}
	})
}

func (h *host) restart(after time.Duration) {
	h.w.in(after, func() {
		h.w.mu.Lock()
		none := h.now == nil
		h.w.mu.Unlock()
		if none {
			h.start()
		}
	})
}

func (w *world) draw(mean time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.about(mean)
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
	if w.chance(0.5) { // comes back when its time is just over, or nearly
		d = w.between(w.style.ttl-4*time.Second, w.style.ttl+4*time.Second)
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

// cut stops the network of a page, in one direction or both, for a while.
func (p *page) cut(how int, d time.Duration) {
	p.w.count.Cuts++
	p.cutUp, p.cutDown = how != 1, how != 0
	p.w.in(min(d, 110*time.Second), func() { p.w.mu.Lock(); p.mend(); p.w.mu.Unlock() })
}

func (p *page) mend() {
	p.cutUp, p.cutDown = false, false
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
	w.count.Jumps++
	if p.asleep {
		return // one of the two clocks runs on
	}
	p.set += w.between(-2*time.Hour, 2*time.Hour)
	p.noSleep = time.Now().Add(2 * w.style.ttl)
}

func (w *world) jumpStoreClock() {
	h := w.host()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count.Jumps++
	if h.now != nil {
		h.now.skew = w.between(-2*time.Hour, 2*time.Hour)
	}
}
